"""From what a manifest says to what the execution engine is told."""

from streams.execution.program import Ceilings, Specification
from streams.registry.manifest import Manifest


def specification_of(manifest: Manifest) -> Specification:
    """How a manifest's program is to be run."""
    return Specification(
        routes=manifest.events,
        instance=manifest.program.instance,
        env=manifest.env,
        roots=manifest.dapp.has_epochs,
        sql=manifest.sql,
        ceilings=Ceilings(
            fuel=manifest.limits.fuel,
            memory_bytes=manifest.limits.memory_bytes,
            output_bytes=manifest.limits.output_bytes,
            state_bytes=manifest.limits.state_bytes,
            sql_bytes=manifest.limits.sql_bytes,
            logs=manifest.limits.logs,
            effects=manifest.limits.effects,
            files_bytes=manifest.limits.files_bytes,
        ),
    )
