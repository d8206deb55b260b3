"""Branching filaments and photographs of them: retinal vessels and neurons."""
