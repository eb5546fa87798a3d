/* Content-addressed files: naming, deduplication, guards, sweeping. */
#include "check.h"

#include <sys/stat.h>

#include "store/blob.h"

static const char empty_sha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static bool nobody_uses(void *arg, const char *sha256) { return false; }
static bool somebody_uses(void *arg, const char *sha256) { return true; }

static struct blobs *open_blobs(void **state)
{
    struct su_err err;
    struct blobs *blobs = NULL;
    check_ok(blobs_open(*state, &blobs, &err));
    return blobs;
}

static bool exists(void **state, const char *sha256)
{
    char path[80];
    blob_path(sha256, path);
    SU_AUTO_FREE char *full = su_format("%s/%s", (char *)*state, path);
    return access(full, F_OK) == 0;
}

static void content_is_named_by_its_hash_and_read_back(void **state)
{
    struct su_err err;
    struct blobs *blobs = open_blobs(state);
    struct blob_writer *writer = NULL;
    char sha256[SU_SHA256_HEX];
    check_ok(blob_put(blobs, SU_STR(""), sha256, &writer, &err));
    assert_string_equal(sha256, empty_sha256);
    blob_writer_close(writer);
    int fd;
    uint64_t size;
    check_ok(blob_open(blobs, sha256, &fd, &size, &err));
    assert_int_equal(size, 0);
    close(fd);
    blobs_close(blobs);
}

static void upload_without_commit_leaves_nothing(void **state)
{
    struct su_err err;
    struct blobs *blobs = open_blobs(state);
    struct blob_writer *writer = NULL;
    check_ok(blob_writer_open(blobs, &writer, &err));
    check_ok(blob_writer_add(writer, "abc", 3, &err));
    blob_writer_close(writer);
    SU_AUTO_FREE char *temporary = su_format("%s/blobs/tmp", (char *)*state);
    struct stat status;
    assert_int_equal(stat(temporary, &status), 0);
    assert_int_equal(rmdir(temporary), 0);      /* empty */
    blobs_close(blobs);
}

static void leftovers_of_a_crash_are_swept_at_open(void **state)
{
    struct su_err err;
    blobs_close(open_blobs(state));
    SU_AUTO_FREE char *leftover = su_format("%s/blobs/tmp/left", (char *)*state);
    check_ok(su_file_replace(leftover, SU_STR("x"), 0600, &err));
    blobs_close(open_blobs(state));
    assert_int_not_equal(access(leftover, F_OK), 0);
}

static void removal_waits_for_nobody_but_respects_guards_users_and_holds(void **state)
{
    struct su_err err;
    struct blobs *blobs = open_blobs(state);
    struct blob_writer *first = NULL, *second = NULL;
    char sha256[SU_SHA256_HEX];
    check_ok(blob_put(blobs, SU_STR("same"), sha256, &first, &err));
    check_ok(blob_put(blobs, SU_STR("same"), sha256, &second, &err));
    blob_writer_close(first);
    check_ok(blob_remove(blobs, sha256, nobody_uses, NULL, &err));
    assert_true(exists(state, sha256));         /* the second writer still guards it */
    blob_writer_close(second);
    check_ok(blob_remove(blobs, sha256, somebody_uses, NULL, &err));
    assert_true(exists(state, sha256));
    blobs_hold(blobs);
    check_ok(blob_remove(blobs, sha256, nobody_uses, NULL, &err));
    assert_true(exists(state, sha256));
    blobs_unhold(blobs);
    check_ok(blob_remove(blobs, sha256, nobody_uses, NULL, &err));
    assert_false(exists(state, sha256));
    int fd;
    uint64_t size;
    check_fails(blob_open(blobs, sha256, &fd, &size, &err), SU_NOT_FOUND, "cannot be opened");
    blobs_close(blobs);
}

static void small_contents_are_read_whole_from_memory_too_until_removed(void **state)
{
    struct su_err err;
    struct blobs *blobs = open_blobs(state);
    struct blob_writer *writer = NULL;
    char sha256[SU_SHA256_HEX];
    check_ok(blob_put(blobs, SU_STR("content"), sha256, &writer, &err));
    blob_writer_close(writer);
    for (int i = 0; i < 2; i++) {
        SU_AUTO_FREE char *content = NULL;
        check_ok(blob_small(blobs, sha256, 7, &content, &err));
        assert_memory_equal(content, "content", 7);
    }
    char *none;
    check_fails(blob_small(blobs, sha256, 8, &none, &err), SU_INTERNAL, "7 bytes instead of 8");
    check_ok(blob_remove(blobs, sha256, nobody_uses, NULL, &err));
    check_fails(blob_small(blobs, sha256, 7, &none, &err), SU_NOT_FOUND, "cannot be opened");
    blobs_close(blobs);
}

#define with_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scratch(content_is_named_by_its_hash_and_read_back),
        with_scratch(upload_without_commit_leaves_nothing),
        with_scratch(leftovers_of_a_crash_are_swept_at_open),
        with_scratch(removal_waits_for_nobody_but_respects_guards_users_and_holds),
        with_scratch(small_contents_are_read_whole_from_memory_too_until_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
