"""When the terminal rings."""

from bedside.watch.bell import AGAIN_SECONDS, LOST_SECONDS, Bell
from bedside.watch.happenings import LinkLive, LinkLost
from tests.bedside.watch.samples import BEN, OTHER_OXIMETER, alert, at, pong, received, vitals, ward


def test_a_lost_link_rings_when_it_lasts_and_again_while_it_lasts():
    made, bell = ward(), Bell()
    made.take(LinkLost(problem="x"), at(0))
    rung = [second for second in range(200) if bell.rings(made.picture(at(second)), second)]
    first = int(LOST_SECONDS)
    assert rung == [first, first + int(AGAIN_SECONDS), first + 2 * int(AGAIN_SECONDS), first + 3 * int(AGAIN_SECONDS)]


def test_a_link_that_came_back_rings_at_its_next_loss():
    made, bell = ward(), Bell()
    made.take(LinkLost(problem="x"), at(0))
    assert bell.rings(made.picture(at(5)), 5)
    made.take(LinkLive(), at(6))
    assert not bell.rings(made.picture(at(6)), 6)
    made.take(LinkLost(problem="x"), at(7))
    assert bell.rings(made.picture(at(12)), 12)


def test_a_loss_behind_the_hub_and_the_silence_of_all_beds_ring():
    assert Bell().rings(ward(pong(upstream="ingest_lost")).picture(at(0)), 0)
    assert Bell().rings(ward(vitals(spo2=97), vitals(BEN, device=OTHER_OXIMETER, spo2=98)).picture(at(20)), 0)


def test_a_critical_alert_rings_once_and_the_guides_warning_not_at_all():
    bell = Bell()
    made = ward(alert())
    assert not bell.rings(made.picture(at(0)), 0)
    made.take(received(alert("Asystole", severity="critical", episode="e2")), at(1))
    assert [bell.rings(made.picture(at(second)), second) for second in (1, 2, 3)] == [True, False, False]
