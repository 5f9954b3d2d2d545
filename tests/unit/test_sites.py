"""Which receiver a destination belongs to."""

import pytest

from hedwig.routing import Exchanger
from hedwig.settings import SITES, SiteRule
from hedwig.sites import Sites, fitting

SHIPPED = Sites(SITES)


def hosts(*names):
    return [Exchanger(10, name) for name in names]


@pytest.mark.parametrize(
    ("mx", "name"),
    [
        (["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"], "google"),
        (["aspmx.l.google.com", "aspmx2.googlemail.com"], "google"),
        (["163mx01.mxmail.netease.com", "163mx02.mxmail.netease.com"], "netease"),
        (["qiye163mx01.mxmail.netease.com"], "netease"),
        (["mx1.qq.com", "mx2.qq.com", "mx3.qq.com"], "qq"),
        (["mxbiz1.qq.com"], "qq"),
        (["outlook-com.olc.protection.outlook.com"], "outlook"),
        (["contoso-com.mail.protection.outlook.com"], "microsoft"),
        (["contoso-com.j-v1.mx.microsoft"], "microsoft"),
        (["mta5.am0.yahoodns.net"], "yahoo"),
        (["mx1.mail.yahoo.co.jp"], "yahoo-japan"),
        (["mxn.mxhichina.com"], "aliyun"),
        (["mx01.mail.icloud.com"], "icloud"),
        (["mxs.mail.ru"], "mail-ru"),
        (["mx.example.net"], ""),
        (["qq.com.example.net", "notqq.com"], ""),
        (["mx1.qq.com", "mx.example.net"], ""),
        ([], ""),
    ],
)
def test_known_receivers_are_told_by_their_servers(mx, name):
    assert SHIPPED.name_of("example.org", hosts(*mx)) == name


def test_a_backup_elsewhere_changes_nothing():
    mx = [Exchanger(1, "aspmx.l.google.com"), Exchanger(50, "backup.example.net")]
    assert SHIPPED.name_of("example.org", mx) == "google"


def test_a_domain_may_be_named():
    sites = Sites({**SITES, "partner": SiteRule(domains=("partner.example", ".below.example"), connections=2)})
    assert sites.name_of("partner.example", hosts("mx1.qq.com")) == "partner"
    assert sites.name_of("a.below.example", hosts("mx1.qq.com")) == "partner"
    assert sites.name_of("below.example", hosts("mx1.qq.com")) == "qq"
    assert sites.rule("partner").connections == 2
    assert sites.rule("").connections == sites.rule("no such site").connections == SITES["default"].connections


def test_the_nearest_entry_counts():
    entries = {".example.com": 1, ".mail.example.com": 2, "mx.mail.example.com": 3}
    assert fitting("mx.mail.example.com", entries) == 3
    assert fitting("mx2.mail.example.com", entries) == 2
    assert fitting("mail.example.com", entries) == 1
    assert fitting("example.com", entries) is None
