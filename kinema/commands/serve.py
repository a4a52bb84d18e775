"""The local page to search one's own videos."""

from __future__ import annotations

from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema.config.windows import KnownEncoderConfig


def serve(
    index: str,
    known: KnownEncoderConfig,
    host: str = "127.0.0.1",
    port: NonNegativeInt = 7860,
    names: list[str] | None = None,
    max_upload: PositiveInt = 256,
    open: bool = False,
) -> None:
    """Serve a page to search one's own videos by movement: drop a clip, see what moves alike.

    Args:
        index: folder of the index that kinema index made, or its address.
        known: its encoder.
        host: address to listen on; on any but 127.0.0.1 other machines reach the page, which then asks for a token
            that is in the address printed.
        port: to listen on; 0 for any that is free.
        names: further names by which browsers reach the page, such as [studio.local].
        max_upload: MiB that a clip sent to the page may have.
        open: open the page in the browser.
    """
    from kinema.serve import run

    run(
        index,
        host,
        port,
        encoder=known.encoder,
        names=names or (),
        max_upload=max_upload,
        device=known.device,
        browser=open,
    )
