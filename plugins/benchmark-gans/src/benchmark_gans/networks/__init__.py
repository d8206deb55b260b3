"""The networks of the papers; torch is imported only where one is built."""
