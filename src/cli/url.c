/* Parts of addresses.  Layer cli; pure. */
#include "cli/url.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static void add_encoded(struct su_buf *buf, const char *text, char kept)
{
    for (; *text; text++) {
        if (is_unreserved(*text) || *text == kept)
            su_buf_addc(buf, *text);
        else
            su_buf_addf(buf, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

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
            add_encoded(buf, segment, '\0');
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
    add_encoded(buf, value, '\0');
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
