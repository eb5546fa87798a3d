/* Percent-encoding: see percent.h.  Layer base; pure. */
#include "percent.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
}

void su_percent_add(struct su_buf *buf, const char *text, const char *kept)
{
    for (; *text; text++) {
        if (is_unreserved(*text) || strchr(kept, *text) != NULL)
            su_buf_addc(buf, *text);
        else
            su_buf_addf(buf, "%%%02X", (unsigned)(unsigned char)*text);
    }
}
