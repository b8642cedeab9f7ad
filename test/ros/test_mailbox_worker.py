import threading
import time

from pose_estimation_ros.ros.nodes.worker import Mailbox, Worker

PATIENCE_S = 20


class Desk:
    """Handles items one at a time, each when it is let."""

    def __init__(self):
        self.handled = []
        self.began, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.worker = Worker(self)

    def __call__(self, item):
        self.began.release()
        assert self.let.acquire(timeout=PATIENCE_S)
        self.handled.append(item)

    def begins(self):
        return self.began.acquire(timeout=PATIENCE_S)


def test_what_is_put_in_is_taken_once():
    mailbox = Mailbox()
    assert not mailbox.put('a')
    assert mailbox.take() == 'a'
    assert not mailbox.put('b')
    assert mailbox.take() == 'b'


def test_the_newest_replaces_what_waits():
    mailbox = Mailbox()
    assert [mailbox.put(item) for item in 'abc'] == [False, True, True]
    assert mailbox.take() == 'c'


def test_closing_drops_what_waits_and_lets_takers_go():
    mailbox = Mailbox()
    mailbox.put('a')
    mailbox.close()
    assert mailbox.take() is None
    waiting = Mailbox()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(waiting.take()))
    thread.start()
    waiting.close()
    thread.join(PATIENCE_S)
    assert taken == [None]


def test_a_closed_mailbox_keeps_nothing():
    mailbox = Mailbox()
    mailbox.close()
    assert mailbox.put('a')
    assert mailbox.take() is None
    assert mailbox._item is None


def test_worker_takes_the_newest_while_it_is_busy():
    desk = Desk()
    desk.worker.start()
    assert not desk.worker.post('a')
    assert desk.begins()
    assert [desk.worker.post(item) for item in 'bcd'] == [False, True, True]
    desk.let.release()
    assert desk.begins()
    desk.let.release()
    desk.worker.post('e')
    assert desk.begins()
    desk.let.release()
    desk.worker.stop()
    assert desk.handled == ['a', 'd', 'e']


def test_stop_waits_for_the_item_in_work_and_drops_the_next():
    desk = Desk()
    desk.worker.start()
    desk.worker.post('a')
    assert desk.begins()
    desk.worker.post('b')
    stopping = threading.Thread(target=desk.worker.stop)
    stopping.start()
    assert desk.handled == []
    desk.let.release(2)
    stopping.join(PATIENCE_S)
    assert desk.handled == ['a']
    assert not desk.worker._thread.is_alive()


def test_stop_before_start_twice_and_from_within():
    worker = Worker(print)
    worker.stop()
    desk = Desk()
    desk.let.release()
    desk.worker = Worker(lambda item: (desk(item), desk.worker.stop()))
    desk.worker.start()
    desk.worker.post('a')
    desk.worker._thread.join(PATIENCE_S)
    desk.worker.stop()
    assert desk.handled == ['a']


def test_many_threads_post_and_nothing_is_lost_or_handled_twice():
    handled, replaced = [], []
    worker = Worker(handled.append)
    worker.start()

    def post(start):
        for item in range(start, start + 500):
            replaced.append(worker.post(item))

    threads = [threading.Thread(target=post, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    left = worker.post(-1)
    end = time.monotonic() + PATIENCE_S
    while handled[-1:] != [-1] and time.monotonic() < end:
        time.sleep(0.001)
    worker.stop()
    assert len(set(handled)) == len(handled)
    assert len(handled) + sum(replaced) + left == 2001
