"""The local page to search one's own videos."""

from __future__ import annotations

from jsonargparse.typing import NonNegativeInt, PositiveInt


def serve(
    index: str,
    host: str = "127.0.0.1",
    port: NonNegativeInt = 7860,
    encoder: str | None = None,
    names: list[str] | None = None,
    max_upload: PositiveInt = 256,
    device: str = "auto",
    open: bool = False,
) -> None:
    """Serve a page to search one's own videos by movement: drop a clip, see what moves alike.

    Args:
        index: folder of the index that kinema index made, or its address.
        host: address to listen on; on any but 127.0.0.1 other machines reach the page, which then asks for a token
            that is in the address printed.
        port: to listen on; 0 for any that is free.
        encoder: the index's encoder, where it lies elsewhere than when the index was made.
        names: further names by which browsers reach the page, such as [studio.local].
        max_upload: MiB that a clip sent to the page may have.
        device: auto, cpu, cuda, cuda:1, ...
        open: open the page in the browser.
    """
    from kinema.serve import run

    run(
        index,
        host,
        port,
        encoder=encoder,
        names=names or (),
        max_upload=max_upload,
        device=device,
        browser=open,
    )
