/* Parts of addresses.  Layer cli; pure. */
#include "cli/url.h"

#include <string.h>

#include "base/percent.h"

/* curl and servers fold "." and ".." segments away; as names they must arrive to be refused. */
static bool is_dots(const char *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && memcmp(segment, "..", 2) == 0);
}

void url_add_name(struct su_buf *buf, const char *name)
{
    for (;;) {
        size_t len = strcspn(name, "/");
        SU_AUTO_FREE char *segment = su_strndup(name, len);
        if (is_dots(name, len))
            su_buf_adds(buf, len == 1 ? "%2E" : "%2E%2E");
        else
            su_percent_add(buf, segment, "");
        if (!name[len])
            return;
        su_buf_addc(buf, '/');
        name += len + 1;
    }
}

void url_add_query(struct su_buf *buf, const char *key, const char *value)
{
    if (!value)
        return;
    su_buf_addc(buf, memchr(buf->ptr, '?', buf->len) ? '&' : '?');
    su_buf_adds(buf, key);
    su_buf_addc(buf, '=');
    su_percent_add(buf, value, "");
}

bool url_is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/");
    if (*host == '[')
        return len >= 5 && memcmp(host, "[::1]", 5) == 0;
    len = strcspn(host, ":/");
    struct su_str text = {host, len};
    if (su_str_equal(text, SU_STR("localhost")))
        return true;
    return su_str_starts(text, SU_STR("127.")) && strspn(host, "0123456789.") == len;
}
