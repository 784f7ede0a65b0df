"""Reports: versions."""

from dmenet_tf.evaluate import report


def test_versions_tell_of_tensorflow_where_it_ran(monkeypatch):
    import sys
    import types
    monkeypatch.setitem(sys.modules, 'tensorflow',
                        types.SimpleNamespace(__version__='2.x'))
    assert report.versions()['tensorflow'] == '2.x'
    monkeypatch.delitem(sys.modules, 'tensorflow')
    assert 'tensorflow' not in report.versions()
