"""What all rooms share: small helpers that know nothing of videos or networks."""
