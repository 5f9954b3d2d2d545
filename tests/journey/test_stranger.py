"""mailman takes mail from this host's containers, and from nobody else."""

from .submit import SAMPLE, Msmtp, Talk
from .world import World


def test_a_peer_outside_allow_is_refused(world: World) -> None:
    """554 5.7.1 that names the peer's address, the file and the setting to change."""
    world.dns()
    host = world.host().start("beanstalkd", "postoffice", "mailman")
    status, said = Msmtp(world.network.stranger(), world.directory).begin(SAMPLE, "stenote@163.com").end()
    assert status != 0
    refusal = next(line for line in said.splitlines() if "554" in line)
    assert "5.7.1" in refusal
    assert "203.0.113.2" in said
    assert "mailman.yml" in said
    assert "allow" in said
    assert "stenote@163.com" not in host.listed()


def test_a_network_that_is_allowed_may_send(world: World) -> None:
    """`allow` takes networks beside its two words."""
    world.dns()
    host = world.host(mailman={"allow": ["203.0.113.0/24"]}).start("beanstalkd", "postoffice", "mailman")
    queue_id = Msmtp(world.network.stranger(), world.directory).send(SAMPLE, "stenote@163.com")
    assert host.is_queued(queue_id)


def test_malformed_commands_are_refused_and_the_next_is_served(world: World) -> None:
    """What aiosmtpd lets through by itself."""
    world.dns()
    world.host().start("beanstalkd", "postoffice", "mailman")
    talk = Talk()
    talk.reply()
    talk.say("EHLO container")
    for wrong in ("<>", "<nodomain>", "<a b@x.example>", "<a@x.example", "a\0@x.example", "<a@x..example>"):
        assert talk.say("MAIL FROM:<sender@robot.genee.cn>").startswith("250")
        assert talk.say(f"RCPT TO:{wrong}")[0] == "5", wrong
        assert talk.say("RSET").startswith("250")
    assert talk.say("MAIL FROM:<>").startswith("250")
    assert talk.say("RCPT TO:<a@x.example>").startswith("250")
    talk.close()
