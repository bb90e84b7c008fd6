"""The campaign engine: which lead is dialed when, and who gets the person who answers.

Decisions (`pacing`, `routing`, `eligibility`, `dispositions`) are pure; `scheduler` and
`attempts` are the thin shell that acts on them under trio.
"""
