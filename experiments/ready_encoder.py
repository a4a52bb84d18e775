"""Put a trained encoder into the package: its weights in half precision, which halves the file, and its card.

    python experiments/ready_encoder.py FOLDER/motion-0

FOLDER is what `kinema reproduce motion --out FOLDER` made. Half precision rounds weights by at most a two-thousandth;
what is measured of the encoder is measured of the file that is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kinema.models import load_encoder, save_encoder
from kinema.models.weights import ENCODER_FILE

PACKAGE = Path(__file__).parents[1] / "kinema" / "models"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", default="motion")
    args = parser.parse_args()
    encoder = load_encoder(args.run)
    (PACKAGE / args.name).mkdir(exist_ok=True)
    card = {**encoder.card, "name": args.name}
    path = save_encoder(encoder.half(), PACKAGE / args.name / ENCODER_FILE, card)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
