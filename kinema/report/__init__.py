"""What people look at: charts, pictures and self-contained HTML reports. Nothing is imported until it is asked for."""
