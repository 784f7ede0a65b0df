"""What is to be done when a module is imported, by whomever."""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_Execute = Callable[[ModuleType], None]


class Hook:
    """Finds one module as others do, and changes how it is executed, once.

    Args:
        name: Of the module, which is not imported yet.
        around: Takes the function that executes the module; returns what is
            called instead.
    """

    def __init__(self, name: str, around: Callable[[_Execute], _Execute]):
        self.name = name
        self.around = around
        self.searching = False

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name or self.searching:
            return None
        import importlib.util  # Not needed by who imports no such module.
        self.searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._once(spec.loader.exec_module)
        return spec

    def _once(self, execute):
        def run(module):
            if self not in sys.meta_path:  # It is reloaded.
                return execute(module)
            self.around(execute)(module)
            # Not before: who asks for a spec need not import the module.
            sys.meta_path.remove(self)
        return run
