"""What clients do to their batches until they say COMPLETE: create, upload, preview, complete, give up.

Verbs for callers of the batch API, without HTTP: each names a `Caller`, and sees that caller's batches only. They raise
`refusals.Refused` with nothing changed, or what the staging store raises.
"""
