"""What people get to see: tables and lines, pictures, tracked runs, pages."""
