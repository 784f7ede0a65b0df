"""Hooks act once, when the module is imported and not when it is looked for."""

import importlib.util
import sys

import pytest

from dmenet_tf import import_hooks


@pytest.fixture
def hooked(tmp_path, monkeypatch):
    """(executed, write): what was executed; writes the module's text."""
    path = tmp_path / 'hooked_module.py'
    monkeypatch.syspath_prepend(str(tmp_path))
    executed = []

    def around(execute):
        def run(module):
            execute(module)
            executed.append(module.__name__)
        return run
    hook = import_hooks.Hook('hooked_module', around)
    hook.install()
    yield executed, path.write_text
    sys.modules.pop('hooked_module', None)
    assert hook not in sys.meta_path


def test_a_hook_acts_when_the_module_is_imported_at_last(hooked):
    executed, write = hooked
    write('raise ImportError("not yet")')
    with pytest.raises(ImportError, match='not yet'):
        importlib.import_module('hooked_module')
    write('value = 3  # And of another length.\n')
    assert importlib.util.find_spec('hooked_module')
    assert executed == []
    module = importlib.import_module('hooked_module')
    assert module.value == 3 and executed == ['hooked_module']
    importlib.reload(module)
    assert executed == ['hooked_module']
