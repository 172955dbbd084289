"""Import from and export to other stores."""
