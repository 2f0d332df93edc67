"""How what vnic prints for people looks: units, tables, bars, progress, and how wide all that may be."""
