/* Actions of kind "email": a mail to a few people.  Layer act; on the thread "delivery" (check: any).
 *
 * Over TLS (smtps, or STARTTLS, without which nothing is sent) unless the definition says "tls": "none", and then
 * without a password.  The text goes as base64: lines of any length, and no dot that could end it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "action.h"
#include "action_kind.h"
#include "base/clock.h"
#include "base/hash.h"
#include "store/secret.h"
#include "template.h"

enum { TO_MAX = 50, ADDRESS_MAX = 254, TEXT_MAX = 256 * 1024, CA_MAX = 256 * 1024, SMTP_PORT = 587, SMTPS_PORT = 465, SUBJECT_MAX = 200 };

struct email { const char *smtp, *user, *secret, *from, *subject, *body, *tls, *ca; json_t *to; };
static const struct su_field email_fields[] = {
    SU_FIELD(struct email, smtp, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 512,
             .help = "smtp://HOST:PORT (STARTTLS, port 587) or smtps://HOST:PORT (465)"),
    SU_FIELD(struct email, user, SU_FIELD_TEXT, .min = 1, .max = 255, .help = "To log in with"),
    SU_FIELD(struct email, secret, SU_FIELD_TEXT, .max = SECRET_NAME_MAX, .help = "Name of the secret that holds the password"),
    SU_FIELD(struct email, from, SU_FIELD_TEXT, .is_required = true, .min = 3, .max = ADDRESS_MAX, .help = "Whom it comes from"),
    SU_FIELD(struct email, to, SU_FIELD_TEXTS, .is_required = true, .min = 1, .max = TO_MAX, .help = "Whom it goes to"),
    SU_FIELD(struct email, subject, SU_FIELD_TEXT, .min = 1, .max = 1000, .help = "Template over the decision"),
    SU_FIELD(struct email, body, SU_FIELD_TEXT, .min = 1, .max = TEXT_MAX, .help = "Template over the decision: the text"),
    SU_FIELD(struct email, tls, SU_FIELD_TEXT, .help = "required (default), or none: then without user"),
    SU_FIELD(struct email, ca, SU_FIELD_TEXT, .max = CA_MAX, .help = "Certificates (PEM) to trust instead of the system's"),
    SU_FIELD_END};

#define STANDARD_SUBJECT "Suricate: {{ action }} {{ watch | }} {{ key | }} {{ event | }}"
#define STANDARD_BODY                                                                                                   \
    "{{ reason }}\n\nwatch: {{ watch | - }}\nkey: {{ key | - }}\nevent: {{ event | - }}\nlevel: {{ level | - }}\n"      \
    "decided at: {{ decided_at }}\ndecision: {{ id }}\n"

/* --- what may be asked for ------------------------------------------------------------ */

static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] > 0x7e || strchr("<>()[],;:\"\\", text[i]) != NULL)
            return false;
    return at != NULL && at != text && at[1] != '\0' && strchr(at + 1, '@') == NULL && len <= ADDRESS_MAX;
}

/* smtp[s]://host[:port], and nothing else. */
static bool read_server(const char *url, char **ret_host, int *ret_port, struct su_err *err)
{
    bool is_tls = strncmp(url, "smtps://", 8) == 0, is_smtp = strncmp(url, "smtp://", 7) == 0;
    struct su_str rest = su_str_of(is_tls ? url + 8 : is_smtp ? url + 7 : ""), host = rest, port = {0};
    uint64_t number = is_tls ? SMTPS_PORT : SMTP_PORT;
    bool is_v6 = rest.len > 0 && rest.ptr[0] == '[';
    const char *colon = is_v6 ? strstr(rest.ptr, "]:") : strchr(rest.ptr, ':');
    if (colon != NULL) {
        host.len = (size_t)(colon - rest.ptr) + is_v6;
        port = su_str_of(colon + 1 + is_v6);
    }
    bool is_fine = host.len > 0 && strspn(host.ptr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") >= host.len;
    if (!is_fine || (colon != NULL && (!su_str_u64(port, 65535, &number) || number == 0)))
        return su_fail_field(err, SU_INVALID, "/smtp", "smtp: must be smtp://HOST:PORT or smtps://HOST:PORT, was \"%.100s\"", url);
    *ret_host = su_strndup(host.ptr, host.len);
    *ret_port = (int)number;
    return true;
}

static bool check_server(const struct action_services *with, const char *tenant, const char *url, bool *ret_private, struct su_err *err)
{
    char *host = NULL;
    int port;
    if (!read_server(url, &host, &port, err))
        return false;
    bool ok = action_host_check(with, tenant, host, port, "/smtp", ret_private, err);
    free(host);
    return ok;
}

static bool check_people(const struct email *email, struct su_err *err)
{
    size_t i;
    json_t *to;
    if (!is_address(email->from))
        return su_fail_field(err, SU_INVALID, "/from", "from: must be an address such as ops@example.org, was \"%.60s\"", email->from);
    json_array_foreach (email->to, i, to)
        if (!is_address(json_string_value(to)))
            return su_fail_field(err, SU_INVALID, "/to", "to: must be addresses such as ops@example.org, one was \"%.60s\"", json_string_value(to));
    return true;
}

static bool check_tls(const struct email *email, struct su_err *err)
{
    bool is_none = strcmp(email->tls, "none") == 0;
    if (!is_none && strcmp(email->tls, "required") != 0)
        return su_fail_field(err, SU_INVALID, "/tls", "tls: must be required or none, was \"%.20s\"", email->tls);
    if (is_none && (email->user || strncmp(email->smtp, "smtps", 5) == 0))
        return su_fail_field(err, SU_INVALID, "/tls", "tls: none goes with smtp:// and without a user only");
    return !email->user == !email->secret || su_fail_field(err, SU_INVALID, "/secret", "user and secret come together");
}

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct email email = {.subject = STANDARD_SUBJECT, .body = STANDARD_BODY, .tls = "required"};
    bool is_private;
    if (!su_json_bind(own, email_fields, &email, err))
        return false;
    SU_AUTO_JSON json_t *subject = json_string(email.subject), *body = json_string(email.body);
    return check_people(&email, err) && check_tls(&email, err) && template_check(subject, "/subject", err) && template_check(body, "/body", err)
        && (!email.secret || secret_name_check(email.secret, "/secret", err)) && check_server(with, tenant, email.smtp, &is_private, err);
}

/* --- the mail ---------------------------------------------------------------------------- */

static void add_base64(struct su_buf *mail, struct su_str text)
{
    enum { LINE = 57 };     /* bytes that make 76 characters */
    char line[80];
    for (size_t at = 0; at < text.len; at += LINE) {
        su_base64((const uint8_t *)text.ptr + at, text.len - at < LINE ? text.len - at : LINE, line);
        su_buf_addf(mail, "%s\r\n", line);
    }
}

/* One line, whatever it was filled with; encoded (RFC 2047) unless it is plain ASCII. */
static void add_subject(struct su_buf *mail, char *subject)
{
    bool is_plain = true;
    char word[80];
    size_t len = strlen(subject);
    if (len > SUBJECT_MAX)
        for (len = SUBJECT_MAX; len > 0 && ((unsigned char)subject[len] & 0xc0) == 0x80;)
            len--;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)subject[i] < 0x20 || subject[i] == 0x7f)
            subject[i] = ' ';
        is_plain &= (unsigned char)subject[i] < 0x7f;
    }
    if (is_plain) {
        su_buf_addf(mail, "Subject: %.*s\r\n", (int)len, subject);
        return;
    }
    su_buf_adds(mail, "Subject:");
    for (size_t at = 0, next; at < len; at = next) {
        for (next = at + 42 < len ? at + 42 : len; next > at && next < len && ((unsigned char)subject[next] & 0xc0) == 0x80;)
            next--;
        su_base64((const uint8_t *)subject + at, next - at, word);
        su_buf_addf(mail, " =?UTF-8?B?%s?=\r\n", word);
    }
}

static void add_head(const struct attempt *attempt, const struct email *email, char *subject, struct su_buf *mail)
{
    struct tm day;
    char date[64];
    time_t now = su_now_ms() / 1000;
    size_t i;
    json_t *to;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &day));
    su_buf_addf(mail, "Date: %s\r\nFrom: <%s>\r\nTo: ", date, email->from);
    json_array_foreach (email->to, i, to)
        su_buf_addf(mail, "%s<%s>", i ? ",\r\n " : "", json_string_value(to));
    su_buf_adds(mail, "\r\n");
    add_subject(mail, subject);
    su_buf_addf(mail, "Message-ID: <%s@suricate>\r\nX-Suricate-Decision: %s\r\nAuto-Submitted: auto-generated\r\n", attempt->id, attempt->id);
    su_buf_adds(mail, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
}

static bool make_mail(const struct attempt *attempt, const struct email *email, struct attempt_order *ret, struct su_err *err)
{
    SU_AUTO_FREE char *subject = NULL, *text = NULL;
    SU_AUTO_BUF struct su_buf mail = SU_BUF(2 * TEXT_MAX);
    if (!attempt_fill_text(attempt, email->subject, &subject, err))
        return su_prefix(err, "subject");
    if (!attempt_fill_text(attempt, email->body, &text, err))
        return su_prefix(err, "body");
    add_head(attempt, email, subject, &mail);
    add_base64(&mail, su_str_of(text));
    ret->order.body.len = mail.len;
    ret->body = su_buf_take(&mail, NULL);
    ret->order.body.ptr = ret->body;
    return ret->body != NULL || su_fail(err, SU_LIMIT, "the mail is longer than %d bytes", 2 * TEXT_MAX);
}

static bool order(struct attempt *attempt, struct attempt_order *ret, struct su_err *err)
{
    struct email email = {.subject = STANDARD_SUBJECT, .body = STANDARD_BODY, .tls = "required"};
    SU_AUTO_JSON json_t *own = action_own(attempt->definition);
    if (!su_json_bind(own, email_fields, &email, err) || !check_server(attempt->with, attempt->tenant, email.smtp, &ret->order.allow_private, err)
        || !make_mail(attempt, &email, ret, err))
        return false;
    if (email.secret && attempt->with->secrets == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no secrets");
    if (email.secret && !secret_get(attempt->with->secrets, attempt->tenant, email.secret, &ret->secret, err))
        return false;
    /* Texts that live as long as the definition does. */
    ret->order.url = email.smtp;
    ret->order.from = email.from;
    ret->order.to = email.to;
    ret->order.user = email.user;
    ret->order.password = ret->secret ? secret_reveal(ret->secret) : SU_STR("");
    ret->order.is_plain = strcmp(email.tls, "none") == 0;
    ret->order.ca = email.ca;
    return true;
}

static void judge(struct attempt *attempt, const struct transfer_end *end)
{
    attempt->status = end->status;
    if (end->was_private)
        attempt_failed(attempt, ATTEMPT_REFUSED, "the mail server has no public address; its owner can allow host and port with PUT /v1/fetch-hosts"
                       " (allow_private) or serve --allow-fetch HOST:PORT");
    else if (end->is_timeout)
        attempt_failed(attempt, ATTEMPT_AGAIN, "the mail server did not take it within %lld ms", (long long)attempt->timeout_ms);
    else if (end->error[0])
        attempt_failed(attempt, end->status >= 500 && end->status <= 599 ? ATTEMPT_REFUSED : ATTEMPT_AGAIN, "the mail server: %s", end->error);
    else
        attempt_sent(attempt, end->status, "taken by the mail server");
}

static char *target(const struct attempt *attempt) { return su_strdup(su_json_string(attempt->definition, "smtp", "")); }

const struct action_kind action_email = {
    .name = "email", .summary = "A mail by SMTP with TLS", .fields = email_fields, .check = check, .target = target, .order = order, .judge = judge};
