"""Importers of scans: a layout finds the studies and says which file is what, one core does the rest.

``volumes`` imports whatever can be read as volumes, one study in memory at a time; ``photographs`` what is single
pictures. Layouts live in modules of their own and only name files.
"""
