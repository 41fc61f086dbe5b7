"""Gives a component back what it has learnt, and names the plugin if it refuses."""

from __future__ import annotations

from typing import Any

from asdcore.errors import AsdcoreError, PluginError


def restored(component: Any, learnt: Any, name: str, where: str = "") -> Any:
    """Return a new component that has taken back a state.

    name : of its plugin. where : where the state was read, for messages, such as ``" in model.safetensors"``.
    Raises PluginError if the component refuses the state.
    """
    try:
        back = component.restore(learnt)
    except AsdcoreError:
        raise
    except Exception as error:
        raise PluginError(
            f"it does not take back its state{where}: {type(error).__name__}: {error}. "
            f"'asdcore check-plugin {name}' shows whether state and restore fit together."
        ) from error
    if type(back) is not type(component):
        raise PluginError(f"restore returned a {type(back).__name__}; let it return self.")
    return back
