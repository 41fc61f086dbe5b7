"""What several scorers, normalizers and guards share: distances to neighbours, densities. No plugin lives here."""
