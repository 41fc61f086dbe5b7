"""A detector that listens, window after window: to a long recording, a folder that fills, or a stream.

The parts, from sound to alarm: :mod:`sources <asdcore.monitor.sources>` give recordings in blocks,
:mod:`windows <asdcore.monitor.windows>` cuts them, the detector judges each window,
:mod:`alarms <asdcore.monitor.alarms>` turns windows into events, :mod:`drift <asdcore.monitor.drift>` asks whether
normal sound itself has changed, and :mod:`journal <asdcore.monitor.journal>` keeps all of it in one file.
:mod:`past <asdcore.monitor.past>` is what follows from that file, and
:mod:`checkpoint <asdcore.monitor.checkpoint>` saves a restart from reading all of it.
"""
