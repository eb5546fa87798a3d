/* Objects and blob references: versions, conditions, tags, deletion, crash leftovers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "aggregate/blobref.h"
#include "aggregate/object.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/thread.h"
#include "store/blob.h"

struct world {
    char dir[64];
    struct store *store;
    struct su_bus *bus;
    struct objects *objects;
    struct su_err err;
};

static void open_world(struct world *w)
{
    const struct store_migration *const migrations[] = {blobref_migrations, object_migrations, NULL};
    w->bus = su_bus_new();
    if (!store_open(w->dir, migrations, &w->store, &w->err) || !objects_open(w->store, w->bus, NULL, &w->objects, &w->err))
        fail_msg("%s", w->err.message);
}

static void close_world(struct world *w)
{
    objects_close(w->objects);
    store_close(w->store);
    su_bus_free(w->bus);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/test-object-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    open_world(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    close_world(w);
    assert_true(su_dir_remove(w->dir, &w->err));
    free(w);
    return 0;
}

static struct object_key key_of(const char *tenant, const char *name)
{
    return (struct object_key){.tenant = tenant, .kind = OBJECT_DATA, .name = name};
}

/* Put text under name, or fail with w->err. */
static bool put_if(struct world *w, const char *name, const char *text, const char *if_match, const char *if_none_match, struct object_info *ret)
{
    const struct object_put put = {.key = key_of("t", name),
                                   .type = "text/plain",
                                   .user = "ann",
                                   .if_match = if_match,
                                   .if_none_match = if_none_match};
    return object_put_bytes(w->objects, &put, su_str_of(text), ret, &w->err);
}

static int64_t put(struct world *w, const char *name, const char *text)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (!put_if(w, name, text, NULL, NULL, &info))
        fail_msg("%s", w->err.message);
    return info.version;
}

static void assert_content(struct world *w, struct object_key key, const char *text)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    SU_AUTO_BUF struct su_buf content = SU_BUF(1 << 20);
    if (!object_read(w->objects, &key, 1 << 20, &info, &content, &w->err))
        fail_msg("%s", w->err.message);
    assert_string_equal(su_buf_str(&content).ptr, text);
}

static bool has_blob(struct world *w, const char *text)
{
    uint8_t digest[SU_SHA256_SIZE];
    char sha256[SU_SHA256_HEX];
    int fd;
    uint64_t size;
    su_sha256_of(text, strlen(text), digest);
    su_hex(digest, sizeof digest, sha256);
    if (!blob_open(store_blobs(w->store), sha256, &fd, &size, &w->err))
        return false;
    close(fd);
    return true;
}

static void versions_are_kept_and_numbered(void **state)
{
    struct world *w = *state;
    OBJECT_AUTO_INFO struct object_info info = {0};
    assert_true(put_if(w, "a/b.txt", "one", NULL, NULL, &info));
    assert_true(info.is_new_name && info.version == 1 && info.size == 3 && info.is_latest);
    assert_string_equal(info.created_by, "ann");
    assert_int_equal(put(w, "a/b.txt", "two"), 2);
    struct object_key first = key_of("t", "a/b.txt");
    assert_content(w, first, "two");
    first.version = 1;
    assert_content(w, first, "one");
    OBJECT_AUTO_PAGE struct object_page page = {0};
    assert_true(object_versions(w->objects, &first, NULL, 1, &page, &w->err));
    assert_int_equal(page.count, 1);
    assert_int_equal(page.items[0].version, 2);
    OBJECT_AUTO_PAGE struct object_page rest = {0};
    assert_true(object_versions(w->objects, &first, page.next, 10, &rest, &w->err));
    assert_int_equal(rest.items[0].version, 1);
    assert_null(rest.next);
}

static void a_restart_keeps_what_was_acknowledged(void **state)
{
    struct world *w = *state;
    put(w, "kept", "content");
    close_world(w);
    open_world(w);
    assert_content(w, key_of("t", "kept"), "content");
}

static void conditions_decide_a_race(void **state)
{
    struct world *w = *state;
    OBJECT_AUTO_INFO struct object_info one = {0}, two = {0}, none = {0};
    assert_true(put_if(w, "x", "1", NULL, "*", &one));
    assert_false(put_if(w, "x", "2", NULL, "*", &none));
    assert_string_equal(w->err.slug, "precondition-failed");
    assert_true(put_if(w, "x", "2", one.etag, NULL, &two));
    assert_false(put_if(w, "x", "3", one.etag, NULL, &none));
    assert_string_equal(w->err.slug, "precondition-failed");
    assert_false(put_if(w, "absent", "3", "*", NULL, &none));
    assert_string_equal(w->err.slug, "precondition-failed");
}

struct racer { struct world *w; const char *etag; int wins, losses; };

static void race(void *arg)
{
    struct racer *racer = arg;
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct su_err err;
    const struct object_put what = {.key = key_of("t", "raced"), .user = "ann", .if_match = racer->etag};
    if (object_put_bytes(racer->w->objects, &what, SU_STR("mine"), &info, &err))
        racer->wins++;
    else if (err.slug != NULL && strcmp(err.slug, "precondition-failed") == 0)
        racer->losses++;
}

static void of_two_writers_one_wins(void **state)
{
    struct world *w = *state;
    enum { RACERS = 8 };
    for (int round = 0; round < 10; round++) {
        OBJECT_AUTO_INFO struct object_info base = {0};
        assert_true(put_if(w, "raced", "base", NULL, NULL, &base));
        struct racer racers[RACERS];
        struct su_thread threads[RACERS] = {0};
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.w = w, .etag = base.etag};
            su_thread_start(&threads[i], "racer", race, &racers[i]);
        }
        int wins = 0, losses = 0;
        for (int i = 0; i < RACERS; i++) {
            su_thread_join(&threads[i]);
            wins += racers[i].wins;
            losses += racers[i].losses;
        }
        assert_int_equal(wins, 1);
        assert_int_equal(losses, RACERS - 1);
    }
}

static void etag_lists_match_in_every_spelling(void **state)
{
    (void)state;
    const char *etag = "\"v1-abc\"";
    const char *yes[] = {"*", "\"v1-abc\"", "v1-abc", "W/\"v1-abc\"", " \"x\" , \"v1-abc\"", "x,v1-abc"};
    const char *no[] = {"", "\"\"", "\"v1-ab\"", "v1-abcd", ",", "\"*\"x"};
    for (size_t i = 0; i < SU_COUNT(yes); i++)
        assert_true(object_etag_matches(yes[i], etag));
    for (size_t i = 0; i < SU_COUNT(no); i++)
        assert_false(object_etag_matches(no[i], etag));
}

static void deleted_versions_are_never_given_again(void **state)
{
    struct world *w = *state;
    put(w, "d", "one");
    put(w, "d", "two");
    struct object_delete what = {.key = key_of("t", "d"), .user = "ann"};
    what.key.version = 2;
    assert_true(object_delete(w->objects, &what, &w->err));
    assert_content(w, key_of("t", "d"), "one");
    what.key.version = 0;
    assert_true(object_delete(w->objects, &what, &w->err));
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct object_key key = key_of("t", "d");
    assert_false(object_get(w->objects, &key, &info, &w->err));
    assert_int_equal(w->err.code, SU_NOT_FOUND);
    assert_false(object_delete(w->objects, &what, &w->err));
    assert_true(put_if(w, "d", "three", NULL, "*", &info));
    assert_int_equal(info.version, 3);
    assert_true(info.is_new_name);
}

static void a_blob_goes_with_its_last_holder(void **state)
{
    struct world *w = *state;
    put(w, "p", "shared");
    put(w, "q", "shared");
    struct object_delete what = {.key = key_of("t", "p")};
    assert_true(object_delete(w->objects, &what, &w->err));
    assert_true(has_blob(w, "shared"));
    what.key.name = "q";
    assert_true(object_delete(w->objects, &what, &w->err));
    assert_false(has_blob(w, "shared"));
}

static bool hold_job(struct sql *db, void *arg, struct su_err *err)
{
    return blobref_hold(db, "t", "run/r1/figure-1.png", arg, err);
}

static bool release_job(struct sql *db, void *arg, struct su_err *err)
{
    (void)arg;
    return blobref_release_all(db, "t", "run/r1/", err);
}

static void others_may_hold_blobs_too(void **state)
{
    struct world *w = *state;
    put(w, "fig", "picture");
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct object_key key = key_of("t", "fig");
    assert_true(object_get(w->objects, &key, &info, &w->err));
    assert_true(store_write(w->store, hold_job, info.sha256, &w->err));
    struct object_delete what = {.key = key};
    assert_true(object_delete(w->objects, &what, &w->err));
    assert_true(has_blob(w, "picture"));
    assert_true(store_write(w->store, release_job, NULL, &w->err));
    blobref_collect(w->store);
    assert_false(has_blob(w, "picture"));
}

static void blobs_without_an_owner_are_swept_at_the_start(void **state)
{
    struct world *w = *state;
    put(w, "owned", "owned content");
    char sha256[SU_SHA256_HEX];
    struct blob_writer *guard;
    assert_true(blob_put(store_blobs(w->store), SU_STR("orphan"), sha256, &guard, &w->err));
    blob_writer_close(guard);
    assert_true(has_blob(w, "orphan"));
    close_world(w);
    open_world(w);
    for (int64_t until_ms = su_mono_ms() + 5000; has_blob(w, "orphan") && su_mono_ms() < until_ms;)
        usleep(1000);
    assert_false(has_blob(w, "orphan"));
    assert_content(w, key_of("t", "owned"), "owned content");
}

static void tags_find_names_and_metadata_stays_with_its_version(void **state)
{
    struct world *w = *state;
    SU_AUTO_JSON json_t *tags = json_pack("[s,s,s]", "model", "a", "model"), *metadata = json_pack("{s:i}", "accuracy", 3);
    OBJECT_AUTO_INFO struct object_info info = {0}, next = {0}, patched = {0};
    const struct object_put with = {.key = key_of("t", "m/1"), .tags = tags, .metadata = metadata, .user = "ann"};
    assert_true(object_put_bytes(w->objects, &with, SU_STR("x"), &info, &w->err));
    assert_int_equal(json_array_size(info.tags), 2);
    put(w, "m/2", "y");
    OBJECT_AUTO_PAGE struct object_page page = {0};
    struct object_list list = {.tenant = "t", .kind = OBJECT_DATA, .tag = "model", .limit = 10};
    assert_true(object_list(w->objects, &list, &page, &w->err));
    assert_int_equal(page.count, 1);
    assert_string_equal(page.items[0].name, "m/1");
    assert_true(put_if(w, "m/1", "new", NULL, NULL, &next));
    assert_int_equal(json_array_size(next.tags), 2);
    assert_int_equal(json_object_size(next.metadata), 0);
    SU_AUTO_JSON json_t *fewer = json_pack("[s]", "b");
    assert_true(object_patch(w->objects, &with.key, fewer, NULL, next.etag, "ann", &patched, &w->err));
    assert_string_equal(json_string_value(json_array_get(patched.tags, 0)), "b");
    OBJECT_AUTO_PAGE struct object_page empty = {0};
    assert_true(object_list(w->objects, &list, &empty, &w->err));
    assert_int_equal(empty.count, 0);
}

static void a_list_goes_through_all_names_by_prefix(void **state)
{
    struct world *w = *state;
    char name[32];
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "list/%02d", i);
        put(w, name, "x");
    }
    put(w, "list0", "x");
    put(w, "other", "x");
    struct object_list list = {.tenant = "t", .kind = OBJECT_DATA, .prefix = "list/", .limit = 10};
    SU_AUTO_FREE char *cursor = NULL;
    int seen = 0;
    do {
        OBJECT_AUTO_PAGE struct object_page page = {0};
        list.cursor = cursor;
        assert_true(object_list(w->objects, &list, &page, &w->err));
        for (size_t i = 0; i < page.count; i++) {
            snprintf(name, sizeof name, "list/%02d", seen++);
            assert_string_equal(page.items[i].name, name);
        }
        free(cursor);
        cursor = su_take(page.next);
    } while (cursor != NULL);
    assert_int_equal(seen, 25);
}

static void another_tenant_and_another_kind_see_nothing(void **state)
{
    struct world *w = *state;
    put(w, "secret", "x");
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct object_key other = key_of("u", "secret");
    assert_false(object_get(w->objects, &other, &info, &w->err));
    assert_int_equal(w->err.code, SU_NOT_FOUND);
    struct object_key notebook = {.tenant = "t", .kind = OBJECT_NOTEBOOK, .name = "secret"};
    assert_false(object_get(w->objects, &notebook, &info, &w->err));
    OBJECT_AUTO_PAGE struct object_page page = {0};
    const struct object_list list = {.tenant = "u", .kind = OBJECT_DATA, .limit = 10};
    assert_true(object_list(w->objects, &list, &page, &w->err));
    assert_int_equal(page.count, 0);
}

static void bad_names_are_refused(void **state)
{
    struct world *w = *state;
    char long_name[OBJECT_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *bad[] = {"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "a\nb", "\x7f", "\xff\xfe", "caf\xe9", long_name};
    for (size_t i = 0; i < SU_COUNT(bad); i++) {
        assert_false(object_name_check(su_str_of(bad[i]), &w->err));
        assert_int_equal(w->err.code, SU_INVALID);
        assert_string_equal(w->err.field, "name");
    }
    assert_false(object_name_check((struct su_str){"a\0b", 3}, &w->err));
    long_name[OBJECT_NAME_MAX] = '\0';
    const char *good[] = {"a", "...", "a/.hidden", "caf\xc3\xa9 \xe2\x98\x95", "a b", long_name};
    for (size_t i = 0; i < SU_COUNT(good); i++)
        assert_true(object_name_check(su_str_of(good[i]), &w->err));
}

static void limits_are_told_with_their_names(void **state)
{
    struct world *w = *state;
    OBJECT_AUTO_INFO struct object_info info = {0};
    SU_AUTO_JSON json_t *many = json_array(), *long_tag = json_array(), *big = json_object();
    for (int i = 0; i <= OBJECT_TAGS_MAX; i++)
        json_array_append_new(many, json_string("t"));
    char text[OBJECT_METADATA_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    json_array_append_new(long_tag, json_stringn(text, OBJECT_TAG_MAX + 1));
    json_object_set_new(big, "k", json_string(text));
    struct object_put what = {.key = key_of("t", "x"), .tags = many};
    assert_false(object_put_bytes(w->objects, &what, SU_STR(""), &info, &w->err));
    assert_string_equal(w->err.field, "tags");
    what.tags = long_tag;
    assert_false(object_put_bytes(w->objects, &what, SU_STR(""), &info, &w->err));
    what.tags = NULL;
    what.metadata = big;
    assert_false(object_put_bytes(w->objects, &what, SU_STR(""), &info, &w->err));
    assert_string_equal(w->err.field, "metadata");
    what.metadata = NULL;
    what.size_hint = (uint64_t)1 << 62;
    assert_false(object_put_bytes(w->objects, &what, SU_STR(""), &info, &w->err));
    assert_int_equal(w->err.code, SU_LIMIT);
    what.size_hint = 0;
    assert_true(object_put_bytes(w->objects, &what, SU_STR(""), &info, &w->err));
    assert_int_equal(info.size, 0);
}

static bool refuse(struct sql *db, void *arg, const struct object_info *info, struct su_err *err)
{
    (void)db;
    *(int64_t *)arg = info->version;
    return su_fail(err, SU_INVALID, "not this one");
}

static void a_refused_companion_undoes_the_put(void **state)
{
    struct world *w = *state;
    int64_t version = 0;
    OBJECT_AUTO_INFO struct object_info info = {0};
    const struct object_put what = {.key = key_of("t", "both"), .also = refuse, .also_arg = &version};
    assert_false(object_put_bytes(w->objects, &what, SU_STR("undone"), &info, &w->err));
    assert_string_equal(w->err.message, "not this one");
    assert_int_equal(version, 1);
    assert_false(object_get(w->objects, &what.key, &info, &w->err));
    assert_int_equal(put(w, "both", "done"), 1);
}

static void count_event(void *arg, const char *topic, const char *event, const json_t *detail)
{
    assert_string_equal(topic, "tenant/t");
    assert_string_equal(su_json_string(detail, "name", ""), "told");
    snprintf((char *)arg + strlen(arg), 100, "%s ", event);
}

static void events_follow_the_commit(void **state)
{
    struct world *w = *state;
    char seen[300] = "";
    struct su_bus_subscription *subscription = su_bus_subscribe(w->bus, "tenant/t", count_event, seen);
    put(w, "told", "x");
    struct object_delete what = {.key = key_of("t", "told")};
    assert_true(object_delete(w->objects, &what, &w->err));
    su_bus_unsubscribe(w->bus, subscription);
    assert_string_equal(seen, "object.created object.deleted ");
}

static void an_unfinished_upload_leaves_nothing(void **state)
{
    struct world *w = *state;
    const struct object_put what = {.key = key_of("t", "half")};
    struct object_upload *upload;
    assert_true(object_put_begin(w->objects, &what, &upload, &w->err));
    assert_true(object_put_add(upload, "half", 4, &w->err));
    object_upload_close(upload);
    OBJECT_AUTO_INFO struct object_info info = {0};
    assert_false(object_get(w->objects, &what.key, &info, &w->err));
    assert_false(has_blob(w, "half"));
}

/* Fill a small tmpfs, be told, delete, go on: in the same process. */
static void a_full_disk_is_told_and_survived(void **state)
{
    struct world *w = *state;
    close_world(w);
    char plain[64];
    strcpy(plain, w->dir);
    strcat(w->dir, "/small");
    assert_int_equal(mkdir(w->dir, 0700), 0);
    bool has_mount = mount("tmpfs", w->dir, "tmpfs", 0, "size=16m") == 0;
    open_world(w);
    if (has_mount) {
        static char block[1 << 20];
        int stored = 0;
        OBJECT_AUTO_INFO struct object_info none = {0};
        bool ok = true;
        while (ok && stored < 40) {
            char name[16];
            snprintf(name, sizeof name, "fill-%d", stored);
            memset(block, 'a' + stored, sizeof block);
            OBJECT_AUTO_INFO struct object_info info = {0};
            const struct object_put what = {.key = key_of("t", name)};
            ok = object_put_bytes(w->objects, &what, (struct su_str){block, sizeof block}, &info, &w->err);
            stored += ok;
        }
        assert_in_range(stored, 8, 15);
        assert_string_equal(w->err.slug, "insufficient-storage");
        const struct object_put huge = {.key = key_of("t", "huge"), .size_hint = 100 << 20};
        assert_false(object_put_bytes(w->objects, &huge, SU_STR(""), &none, &w->err));
        assert_string_equal(w->err.slug, "insufficient-storage");
        for (int i = 0; i < 2; i++) {
            struct object_delete what = {.key = key_of("t", i ? "fill-1" : "fill-0")};
            if (!object_delete(w->objects, &what, &w->err))
                fail_msg("%s", w->err.message);
        }
        put(w, "after", "fits again");
        assert_content(w, key_of("t", "after"), "fits again");
    }
    close_world(w);
    if (has_mount)
        assert_int_equal(umount(w->dir), 0);
    strcpy(w->dir, plain);
    open_world(w);
    if (!has_mount)
        skip();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(versions_are_kept_and_numbered),
        TEST(a_restart_keeps_what_was_acknowledged),
        TEST(conditions_decide_a_race),
        TEST(of_two_writers_one_wins),
        cmocka_unit_test(etag_lists_match_in_every_spelling),
        TEST(deleted_versions_are_never_given_again),
        TEST(a_blob_goes_with_its_last_holder),
        TEST(others_may_hold_blobs_too),
        TEST(blobs_without_an_owner_are_swept_at_the_start),
        TEST(tags_find_names_and_metadata_stays_with_its_version),
        TEST(a_list_goes_through_all_names_by_prefix),
        TEST(another_tenant_and_another_kind_see_nothing),
        TEST(bad_names_are_refused),
        TEST(limits_are_told_with_their_names),
        TEST(a_refused_companion_undoes_the_put),
        TEST(events_follow_the_commit),
        TEST(an_unfinished_upload_leaves_nothing),
        TEST(a_full_disk_is_told_and_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
