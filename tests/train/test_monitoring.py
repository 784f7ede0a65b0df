"""Losses between looks, rates, signals."""

import os
import signal
import threading

import pytest

from dmenet_tf.train import monitoring


def test_a_loss_that_is_not_finite_stops_the_run():
    pending = monitoring.Losses()
    pending.add(6, {'L_B': 1.0, 'L_S': 0.5})
    pending.add(7, {'L_B': 1.0, 'L_S': float('nan')})
    with pytest.raises(FloatingPointError, match='step 7: L_S .*ckpt-5'):
        pending.flush(lambda: 'ckpt-5')


def test_losses_are_averaged_between_looks():
    pending = monitoring.Losses()
    pending.add(1, {'L_B': 1.0})
    pending.add(2, {'L_B': 3.0})
    assert pending.flush(str) == {'L_B': 2.0}
    assert pending.flush(str) == {}


def test_rates_are_per_second_since_the_last_look(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(monitoring.time, 'perf_counter', lambda: now[0])
    clock = monitoring.Clock()
    for _ in range(4):
        with clock.waiting():
            now[0] += 0.5
        now[0] += 1.5
    assert clock.read(batch=3, datasets=2) == {
        'steps_per_s': 0.5, 'images_per_s': 3.0, 'data_wait_share': 0.25}
    now[0] += 1.0
    assert clock.read(batch=3, datasets=2)['steps_per_s'] == 0.0


def test_signals_are_noted_and_their_old_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with monitoring.stop_signal() as received:
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_may_train_but_hears_no_signals():
    heard = []

    def work():
        with monitoring.stop_signal() as received:
            heard.append(received)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [[]]
