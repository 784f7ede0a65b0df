"""What importing the package's modules does, and does not do."""

import json
import subprocess
import sys

import pytest

IMPORT_ALL = '''
import importlib, json, pkgutil
from absl import flags
import dmenet_tf
missing = []
for found in pkgutil.walk_packages(dmenet_tf.__path__, 'dmenet_tf.'):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        if (error.name or '').startswith('dmenet_tf'):
            raise
        missing.append(found.name)  # Needs an extra that is not installed.
print(json.dumps([missing, {
    module: [flag.name for flag in defined] for module, defined
    in flags.FLAGS.flags_by_module_dict().items() if 'dmenet_tf' in module}]))
'''


@pytest.mark.long
def test_importing_any_module_defines_no_flag():
    ran = subprocess.run([sys.executable, '-c', IMPORT_ALL],
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    missing, defined = json.loads(ran.stdout.splitlines()[-1])
    assert len(missing) < 5, missing
    assert defined == {}
