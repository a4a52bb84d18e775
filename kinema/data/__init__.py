"""Data: where clips lie, labelled sets, synthetic videos, and the clip pairs that training reads."""
