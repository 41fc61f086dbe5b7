"""Turns the clip index into features.

embed             clip index -> features
embed_jobs        lists the chunks of clips to embed
embed_ahead       does work a few steps ahead
embed_held_whole  refuses recordings that would be held in memory as a whole and are too long
"""
