"""Freeze a run in a manifest, verify it, and run the one inference on evaluation data.

freeze      the entrance: pins a finished run in a manifest
verify      the entrance: compares everything that a manifest pins with what is here
infer       the entrance: verifies, then scores evaluation data once

manifest/   what a manifest is, and where its things lie
pinning/    what a freeze pins, and what it refuses to pin
verifying/  what differs, what is proven to be the same, and the refusal
inference/  what an inference checks, scores and notes
rerun/      a run made again under exchanged names: no test clip may have taught it anything
"""
