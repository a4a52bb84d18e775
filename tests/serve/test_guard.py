from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from kinema.errors import DataError
from kinema.serve.guard import Guard, real_file


def guarded(host: str = "127.0.0.1", names: tuple[str, ...] = ()) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("reached")

    routes = [Route(path, answer, methods=["GET", "POST", "DELETE"]) for path in ("/", "/api")]
    return TestClient(Guard(Starlette(routes=routes), host, names), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost", "[::1]:7860", "LOCALHOST:1"])
def test_answers_to_names_of_this_machine(host: str) -> None:
    assert guarded().get("/api", headers={"Host": host}).text == "reached"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example:7860", "192.168.1.5:7860",
     "127.0.0.1:7860:1", "localhost:x", "", "0.0.0.0", "[::1", "user@127.0.0.1"],
)  # fmt: skip
def test_another_name_is_refused_so_that_dns_rebinding_fails(host: str) -> None:
    answer = guarded().get("/api", headers={"Host": host})
    assert (answer.status_code, list(answer.json())) == (421, ["error"])


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789.-:[]@", max_size=30))
def test_no_made_up_name_is_known(name: str) -> None:
    bare = name.rpartition(":")[0] if ":" in name and not name.endswith("]") else name
    if Guard(Starlette())._known(name):
        assert bare.removeprefix("[").removesuffix("]") in ("127.0.0.1", "localhost", "::1")


def test_beyond_this_machine_addresses_and_given_names_are_known_others_not() -> None:
    page = guarded("0.0.0.0", ("studio.local",))
    status = {host: page.get("/api", headers={"Host": host}).status_code
              for host in ("192.168.1.5:7860", "[fe80::1]:7860", "studio.local:7860", "evil.example:7860")}  # fmt: skip
    assert list(status.values()) == [200, 200, 200, 421]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:7860", 200),
        (None, 403),
        ("null", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1:7861", 403),  # another server on this machine
        ("http://localhost:7860", 403),  # the page's own name is that of Host
        ("http://127.0.0.1:7860.evil.example", 403),
    ],
)
def test_changes_are_made_by_the_page_itself_only(method: str, origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"Origin": origin}
    assert guarded().request(method, "/api", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
)
def test_other_sites_cannot_show_its_pictures(site: str, status: int) -> None:
    assert guarded().get("/api", headers={"Sec-Fetch-Site": site}).status_code == status
    assert guarded().get("/", headers={"Sec-Fetch-Site": site}).status_code == 200, "a link may lead to the page"


@pytest.mark.parametrize("headers", [{}, {"Host": "evil.example"}])
def test_every_answer_restricts_the_browser(headers: dict[str, str]) -> None:
    given = guarded().get("/api", headers=headers).headers
    policy = given["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert given["X-Content-Type-Options"] == "nosniff"
    assert given["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.fixture
def strangers() -> TestClient:
    """The page as others than its owner see it."""
    app = Guard(Starlette(routes=[Route("/", _reached), Route("/api", _reached, methods=["GET", "POST"])]),
                "0.0.0.0", token="s3cret")  # fmt: skip
    return TestClient(app, base_url="http://192.168.1.5:7860", follow_redirects=False)


async def _reached(request: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


def test_without_the_token_nothing_is_shown(strangers: TestClient) -> None:
    for address in ("/", "/api", "/?token=", "/?token=s3cre", "/?token=s3cret1", "/api?token=s3cret", "/?token=%F0%ff"):
        answer = strangers.get(address)
        assert (answer.status_code, "token" in answer.json()["error"]) == (401, True)
    headers = {"Origin": "http://192.168.1.5:7860", "Cookie": "kinema-7860=wrong; kinema-80=s3cret; kinema=s3cret"}
    assert strangers.post("/api", headers=headers).status_code == 401


def test_the_token_is_shown_once_and_a_cookie_afterwards(strangers: TestClient) -> None:
    answer = strangers.get("/?token=s3cret&window=3&folder=a%26b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?window=3&folder=a%26b"), "it leaves the address"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("kinema-7860=s3cret;") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert strangers.get("/api").text == "reached"
    assert strangers.post("/api", headers={"Origin": "http://192.168.1.5:7860"}).text == "reached"
    assert strangers.post("/api", headers={"Origin": "http://evil.example"}).status_code == 403


def test_real_file_follows_links_within_the_folders_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "deep").mkdir(parents=True)
    outside.mkdir()
    for file in (root / "a.mp4", root / "deep" / "b.mp4", outside / "secret.mp4"):
        file.write_bytes(b"x")
    (root / "inward.mp4").symlink_to(root / "a.mp4")
    (root / "outward.mp4").symlink_to(outside / "secret.mp4")
    (root / "folder").symlink_to(outside)
    os.symlink(root / "circle.mp4", root / "circle.mp4")
    assert real_file(root / "deep" / "b.mp4", [root]) == root / "deep" / "b.mp4"
    assert real_file(root / "inward.mp4", [outside, root]) == root / "a.mp4"
    for name in ("outward.mp4", "folder/secret.mp4", "../outside/secret.mp4", "deep/../../outside/secret.mp4"):
        with pytest.raises(DataError, match="outside of the indexed folders"):
            real_file(root / name, [root])
    for name in ("gone.mp4", "circle.mp4", "a.mp4\0.txt", "a.mp4/x"):
        with pytest.raises(DataError, match="has been moved or deleted"):
            real_file(root / name, [root])


def test_a_folder_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    for name in ("root", "root2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"x")
    with pytest.raises(DataError, match="outside"):
        real_file(tmp_path / "root2" / "a.mp4", [tmp_path / "root"])


def test_the_app_is_guarded(page: TestClient) -> None:
    assert page.get("/api/library", headers={"Host": "evil.example"}).status_code == 421
    for path in ("/api/uploads", "/api/search", "/api/classify", "/api/export/hits.csv"):
        assert page.post(path, headers={"Origin": "http://evil.example"}).status_code == 403
    assert page.delete("/api/uploads/x", headers={"Origin": "http://evil.example"}).status_code == 403
