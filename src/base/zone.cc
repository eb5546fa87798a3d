/* Time zones: see zone.h.  The only user of cctz, whose look-ups lock nothing once a zone is read.  Layer base. */
#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <sys/stat.h>
#define _Noreturn [[noreturn]]
extern "C" {
#include "zone.h"
#include "str.h"
}

using instant = cctz::time_point<cctz::seconds>;

struct su_zone {
    cctz::time_zone zone;
    std::string name;
};

namespace {

/* Never freed: a zone outlives every trigger. */
std::mutex zones_lock;
std::map<std::string, su_zone *> *zones;

/* A name of the database's own: no path out of it, and none of its copies with leap seconds ("right/"). */
bool is_plain(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    size_t len = strlen(name);
    return len > 0 && len <= SU_ZONE_NAME_MAX && strspn(name, letters) == len && name[0] != '/' &&
           strncmp(name, "right/", 6) != 0 && strncmp(name, "posix/", 6) != 0;
}

/* The library keeps every name that it was asked for, so it is asked only for files that are there. */
bool is_there(const char *name)
{
    const char *folder = getenv("TZDIR");
    std::string path = std::string(folder ? folder : "/usr/share/zoneinfo") + "/" + name;
    struct stat info;
    return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

instant instant_of(int64_t at_s) { return instant(cctz::seconds(at_s)); }

int32_t offset_at(const su_zone *zone, instant at) { return zone->zone.lookup(at).offset; }

/* When the clocks begin to show what comes after a change. */
int64_t begin_of(const su_zone *zone, const cctz::time_zone::civil_transition &change)
{
    return zone->zone.lookup(change.to).trans.time_since_epoch().count();
}

} // namespace

extern "C" bool su_zone_find(const char *name, const char *field, const su_zone **ret, su_err *err)
{
    std::lock_guard<std::mutex> held(zones_lock);
    if (zones == nullptr)
        zones = new (std::nothrow) std::map<std::string, su_zone *>();
    su_assert(zones != nullptr);
    bool is_utc = strcmp(name, "UTC") == 0, is_fine = is_plain(name);
    auto found = is_fine ? zones->find(name) : zones->end();
    if (found != zones->end()) {
        *ret = found->second;
        return true;
    }
    cctz::time_zone zone = cctz::utc_time_zone();
    if (!is_fine || (!is_utc && (!is_there(name) || !cctz::load_time_zone(name, &zone)))) {
        su_fail_field(err, SU_INVALID, field, "there is no time zone \"%.64s\" on this machine", name);
        return su_hint(err, "Zones have names such as Europe/Berlin or UTC; Debian's package tzdata holds them.");
    }
    su_zone *made = new (std::nothrow) su_zone{zone, name};
    su_assert(made != nullptr);
    (*zones)[name] = made;
    *ret = made;
    return true;
}

extern "C" const char *su_zone_name(const su_zone *zone) { return zone->name.c_str(); }

extern "C" void su_zone_stretch(const su_zone *zone, int64_t at_s, struct su_zone_stretch *ret)
{
    cctz::time_zone::civil_transition change;
    instant at = instant_of(at_s);
    int32_t offset_s = offset_at(zone, at);
    *ret = {INT64_MIN, INT64_MAX, offset_s, offset_s};
    if (zone->zone.prev_transition(at + cctz::seconds(1), &change)) {
        ret->from_s = begin_of(zone, change);
        ret->before_s = offset_at(zone, instant_of(ret->from_s - 1));
    }
    if (zone->zone.next_transition(at, &change))
        ret->to_s = begin_of(zone, change);
}

extern "C" void su_date_of(int64_t days, su_date *ret)
{
    cctz::civil_day day = cctz::civil_day(1970, 1, 1) + days;
    int64_t weekday = (days + 4) % 7;
    *ret = {day.year(), day.month(), day.day(), static_cast<int>(weekday < 0 ? weekday + 7 : weekday)};
}

extern "C" int64_t su_date_days(int64_t year, int month, int day)
{
    return cctz::civil_day(year, month, day) - cctz::civil_day(1970, 1, 1);
}
