/* The page: its document at every address of its own, its assets.  Layer api; the edge answers from memory.
 *
 * web/build.mjs made the table of assets and packed them; what stands below /assets has its content's hash in its name and
 * never changes.  Which page stands at which address the document's script knows (web/src/routes.ts). */
#include <stdlib.h>
#include <string.h>

#include "aggregate/decode.h"
#include "handler.h"
#include "page_assets.h"
#include "routes.h"

/* frame-src: outputs of notebooks stand in frames of an opaque origin (/frame), data: and blob: are pictures. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
                             "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* The frame that shows one output of a notebook.  "sandbox" without allow-same-origin gives it an origin of its own, whoever
 * opens it; nothing but our own assets can be fetched from it.  docs/decisions/0101 says why each part is there. */
static const char frame_policy[] =
    "sandbox allow-scripts; default-src 'none'; script-src %s 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; connect-src 'none'; frame-src 'none'; worker-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

static int by_path(const void *path, const void *asset) { return strcmp(path, ((const struct page_asset *)asset)->path); }

static const struct page_asset *asset_find(const char *path)
{
    return bsearch(path, page_assets, page_assets_count, sizeof *page_assets, by_path);
}

/* Does the client take that coding?  Browsers list them plainly; one with a weight of 0 is not looked for. */
static bool takes(struct request *request, const char *coding)
{
    const char *accepted = request_header(request, "Accept-Encoding");
    return accepted && strstr(accepted, coding);
}

static void reply_asset(struct request *request, struct reply *reply, const struct page_asset *asset)
{
    reply_etag(reply, asset->etag);
    reply_header(reply, "Vary", "Accept-Encoding");
    if (request_is_fresh(request, asset->etag)) {
        reply_empty(reply, 304);
        return;
    }
    if (takes(request, "br")) {
        reply_header(reply, "Content-Encoding", "br");
        reply_bytes(reply, 200, asset->type, page_assets_data + asset->brotli_at, asset->brotli_size);
    } else if (takes(request, "gzip")) {
        reply_header(reply, "Content-Encoding", "gzip");
        reply_bytes(reply, 200, asset->type, page_assets_data + asset->gzip_at, asset->gzip_size);
    } else {
        struct su_err err;
        SU_AUTO_BUF struct su_buf plain = SU_BUF(asset->size);
        bool ok = decode_gzip((struct su_str){(const char *)page_assets_data + asset->gzip_at, asset->gzip_size}, asset->size, &plain, &err);
        su_assert(ok);
        reply_bytes(reply, 200, asset->type, plain.ptr, plain.len);
    }
}

static void get_document(struct request *request, struct reply *reply)
{
    const struct page_asset *asset = asset_find("/");
    su_assert(asset);
    reply_header(reply, "Content-Security-Policy", "%s", policy);
    reply_header(reply, "Referrer-Policy", "no-referrer");
    reply_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
    reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
    reply_header(reply, "Cache-Control", "no-cache");
    reply_asset(request, reply, asset);
}

/* Where the frame's scripts may come from: our assets, as the browser calls us, and nothing else that we serve. */
static char *frame_scripts(struct request *request)
{
    const char *host = request_header(request, "Host");
    bool is_plain = host && *host && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == strlen(host);
    return is_plain ? su_format("%s/assets/", host) : su_format("'self'");
}

static void get_frame(struct request *request, struct reply *reply)
{
    const struct page_asset *asset = asset_find("/frame");
    su_assert(asset);
    SU_AUTO_FREE char *scripts = frame_scripts(request);
    reply_header(reply, "Content-Security-Policy", frame_policy, scripts);
    reply_header(reply, "Referrer-Policy", "no-referrer");
    reply_header(reply, "X-DNS-Prefetch-Control", "off");
    reply_header(reply, "Connection-Allowlist", "(response-origin); webrtc=block");
    reply_header(reply, "Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), midi=(), "
                 "display-capture=(), fullscreen=(), clipboard-read=(), clipboard-write=(), payment=()");
    reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
    reply_header(reply, "Cache-Control", "no-cache");
    reply_asset(request, reply, asset);
}

/* Public files of ours; frames of an opaque origin load some too, hence the resource policy. */
static void get_asset(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_FREE char *path = su_format("/assets/%s", request_param(request, "file"));
    const struct page_asset *asset = asset_find(path);
    if (!asset) {
        su_fail(&err, SU_NOT_FOUND, "the page has no file %s: it may be from another version; load the page again", path);
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Cache-Control", "public, max-age=31536000, immutable");
    reply_header(reply, "Cross-Origin-Resource-Policy", "cross-origin");
    reply_header(reply, "Access-Control-Allow-Origin", "*");
    reply_asset(request, reply, asset);
}

#define PAGE(address) {.method = "GET", address, SCOPE_OPEN, get_document, .flags = ROUTE_EDGE | ROUTE_PAGE}
const struct route page_routes[] = {
    PAGE("/"),
    PAGE("/data"),
    PAGE("/data/{name*}"),
    PAGE("/notebooks"),
    PAGE("/notebooks/{name*}"),
    PAGE("/processing"),
    PAGE("/processing/{name*}"),
    PAGE("/runs"),
    PAGE("/runs/{id}"),
    PAGE("/recipes"),
    PAGE("/recipes/{name*}"),
    PAGE("/d"),
    PAGE("/d/{slug}"),
    PAGE("/settings"),
    {.flags = ROUTE_EDGE | ROUTE_PAGE, .method = "GET", .path = "/frame", .scope = SCOPE_OPEN, .handle = get_frame},
    {.flags = ROUTE_EDGE | ROUTE_PAGE, .method = "GET", .path = "/assets/{file}", .scope = SCOPE_OPEN, .handle = get_asset},
    ROUTE_END};
