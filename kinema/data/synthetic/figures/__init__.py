"""Videos with bodies: people, animals, hands, mouths, soft and rigid things, before cameras and scenes of all kinds."""
