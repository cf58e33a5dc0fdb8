"""The embedded demo: scenes of all four tasks whose perfect fusion is known, made without a net.

::

    from pathlib import Path
    from fusionlab.demo import scenes

    scenes.make_scenes()               # in memory
    scenes.write_demo(Path("demo"))    # folders and manifests, ready for `fusionlab ingest`
"""
