/* /: the page.  Layer api; the edge answers from memory.
 *
 * page/index.html is embedded at build time together with the hashes of its
 * inline script and style, so the policy allows exactly those. */
#include "handler.h"
#include "page_data.h"
#include "routes.h"

static void get_page(struct request *request, struct reply *reply)
{
    reply_etag(reply, page_etag);
    reply_header(reply, "Content-Security-Policy",
                 "default-src 'none'; script-src %s; style-src %s; img-src 'self' data: blob:; connect-src 'self'; "
                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'", page_scripts, page_styles);
    reply_header(reply, "Referrer-Policy", "no-referrer");
    reply_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
    reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
    if (request_is_fresh(request, page_etag))
        reply_empty(reply, 304);
    else
        reply_bytes(reply, 200, "text/html; charset=utf-8", page_data, page_size);
}

const struct route page_routes[] = {
    {"GET", "/", SCOPE_OPEN, get_page, .flags = ROUTE_EDGE, .summary = "The page", .response = "HTML", .response_type = "text/html"},
    ROUTE_END};
