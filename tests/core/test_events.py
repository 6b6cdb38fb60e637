import pytest
from engine.heard import Heard

from instar.core.events import Event, Finished, Listeners, Stepped


def test_a_listener_that_fails_is_left_out_and_the_first_error_kept() -> None:
    first, last = Heard(), Heard()

    def fail(event: Event) -> None:
        raise ValueError(event)

    def fail_later(event: Event) -> None:
        if isinstance(event, Finished):
            raise TypeError(event)

    listeners = Listeners(first, fail)
    listeners.add(fail_later, last)
    events = [Stepped(1, 0.0), Stepped(2, 0.0), Finished(2, True, 1.0)]
    listeners.raise_error()
    for event in events:
        listeners(event)
    assert first == last == events
    assert listeners.listeners == [first, last]
    with pytest.raises(ValueError, match=r"step=1"):
        listeners.raise_error()


def test_a_listener_may_tell_more_while_it_listens() -> None:
    heard, listeners = Heard(), Listeners()

    def echo(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 1:
            listeners(Stepped(2, 0.0))

    listeners.add(echo, heard)
    listeners(Stepped(1, 0.0))
    assert sorted(event.step for event in heard.of(Stepped)) == [1, 2]


def test_an_interrupt_goes_through() -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Listeners(interrupt)(Stepped(1, 0.0))
