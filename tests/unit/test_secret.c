/* Secrets: sealed, bound to their place, told from others' keys, never shown. */
#include "check.h"

#include <sys/stat.h>

#include "base/seal.h"
#include "store/secret.h"

static const struct store_migration *const schema[] = {secret_migrations, NULL};

struct place { struct store *store; struct su_bus *bus; struct secrets *secrets; };

static struct place open_place(void **state)
{
    struct su_err err;
    struct place place = {.bus = su_bus_new()};
    check_ok(store_open(*state, schema, &place.store, &err));
    check_ok(secrets_open(place.store, place.bus, &place.secrets, &err));
    return place;
}

static void close_place(struct place place)
{
    secrets_close(place.secrets);
    store_close(place.store);
    su_bus_free(place.bus);
}

static bool put(struct place place, const char *tenant, const char *name, const char *value, struct su_err *err)
{
    return secret_put(place.secrets, tenant, name, su_str_of(value), "owner", NULL, err);
}

static void value_is_there_again_after_reopening(void **state)
{
    struct su_err err;
    struct place place = open_place(state);
    check_ok(put(place, "main", "broker", "old", &err));
    check_ok(put(place, "main", "broker", "tr0ub4dor", &err));
    close_place(place);
    place = open_place(state);
    struct secret *secret = NULL;
    check_ok(secret_get(place.secrets, "main", "broker", &secret, &err));
    assert_string_equal(secret_reveal(secret).ptr, "tr0ub4dor");
    assert_int_equal(secret_reveal(secret).len, 9);
    secret_free(secret);
    close_place(place);
}

static bool file_holds(const char *dir, const char *name, const char *text)
{
    struct su_err err;
    SU_AUTO_FREE char *path = su_format("%s/%s", dir, name);
    SU_AUTO_BUF struct su_buf content = SU_BUF(64 << 20);
    return su_file_read(path, 64 << 20, &content, &err) && memmem(content.ptr, content.len, text, strlen(text)) != NULL;
}

static void disk_does_not_hold_the_value(void **state)
{
    struct su_err err;
    struct place place = open_place(state);
    check_ok(put(place, "main", "broker", "correct-horse-battery", &err));
    assert_true(file_holds(*state, "suricate.db-wal", "broker"));
    assert_false(file_holds(*state, "suricate.db-wal", "correct-horse"));
    close_place(place);
    assert_false(file_holds(*state, "suricate.db", "correct-horse"));
}

static void key_is_the_owners_alone(void **state)
{
    struct su_err err;
    struct stat status;
    struct secret *secret = NULL;
    SU_AUTO_FREE char *path = su_format("%s/secrets.key", (char *)*state);
    struct place place = open_place(state);
    assert_int_equal(stat(path, &status), -1);
    check_ok(put(place, "main", "a", "b", &err));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close_place(place);
    chmod(path, 0644);
    place = open_place(state);
    check_fails(secret_get(place.secrets, "main", "a", &secret, &err), SU_DENIED, "others than its owner");
    close_place(place);
}

static void another_key_is_told_from_damage(void **state)
{
    struct su_err err;
    struct secret *secret = NULL;
    SU_AUTO_FREE char *path = su_format("%s/secrets.key", (char *)*state);
    struct place place = open_place(state);
    check_ok(put(place, "main", "a", "b", &err));
    close_place(place);
    unlink(path);
    place = open_place(state);
    check_fails(secret_get(place.secrets, "main", "a", &secret, &err), SU_CONFLICT, "another key");
    check_ok(put(place, "main", "a", "c", &err));
    check_ok(secret_get(place.secrets, "main", "a", &secret, &err));
    assert_string_equal(secret_reveal(secret).ptr, "c");
    secret_free(secret);
    close_place(place);
}

static bool move(struct sql *db, void *arg, struct su_err *err)
{
    return sql_run(db, err, "UPDATE secrets SET tenant = 'other'");
}

static void value_moved_to_another_tenant_does_not_open(void **state)
{
    struct su_err err;
    struct secret *secret = NULL;
    struct place place = open_place(state);
    check_ok(put(place, "main", "a", "b", &err));
    check_fails(secret_get(place.secrets, "other", "a", &secret, &err), SU_NOT_FOUND, "no secret \"a\"");
    check_ok(store_write(place.store, move, NULL, &err));
    check_fails(secret_get(place.secrets, "other", "a", &secret, &err), SU_INTERNAL, "changed");
    close_place(place);
}

static void list_names_but_shows_no_value(void **state)
{
    struct su_err err;
    json_t *items = NULL;
    struct place place = open_place(state);
    check_ok(put(place, "main", "b", "hidden-1", &err));
    check_ok(put(place, "main", "a", "hidden-2", &err));
    check_ok(put(place, "other", "c", "hidden-3", &err));
    check_ok(secret_list(place.secrets, "main", &items, &err));
    SU_AUTO_FREE char *text = su_json_text(items);
    assert_int_equal(json_array_size(items), 2);
    assert_string_equal(su_json_string(json_array_get(items, 0), "name", ""), "a");
    assert_null(strstr(text, "hidden"));
    json_decref(items);
    check_ok(secret_remove(place.secrets, "main", "a", &err));
    check_fails(secret_remove(place.secrets, "main", "a", &err), SU_NOT_FOUND, "a");
    close_place(place);
}

static void wrong_names_and_values_are_refused(void **state)
{
    struct su_err err;
    struct place place = open_place(state);
    SU_AUTO_FREE char *long_value = su_alloc(SECRET_VALUE_MAX + 2);
    memset(long_value, 'x', SECRET_VALUE_MAX + 1);
    check_fails(put(place, "main", "", "x", &err), SU_INVALID, "name");
    check_fails(put(place, "main", "a/b", "x", &err), SU_INVALID, "name");
    check_fails(put(place, "main", "a", "", &err), SU_INVALID, "value");
    check_fails(put(place, "main", "a", long_value, &err), SU_LIMIT, "65536");
    check_fails(secret_put(place.secrets, "main", "a", SU_STR("b\0c"), "owner", NULL, &err), SU_INVALID, "NUL");
    close_place(place);
}

static void on_changed(void *arg, const char *topic, const char *event, const json_t *detail)
{
    assert_string_equal(su_json_string(detail, "name", ""), "a");
    ++*(int *)arg;
}

static void change_is_told(void **state)
{
    struct su_err err;
    int told = 0;
    struct place place = open_place(state);
    struct su_bus_subscription *subscription = su_bus_subscribe(place.bus, "secrets", on_changed, &told);
    check_ok(put(place, "main", "a", "b", &err));
    check_ok(secret_remove(place.secrets, "main", "a", &err));
    assert_int_equal(told, 2);
    su_bus_unsubscribe(place.bus, subscription);
    close_place(place);
}

static void seal_opens_only_whole_and_in_its_place(void **state)
{
    uint8_t key[SU_SEAL_KEY_SIZE] = {1}, sealed[5 + SU_SEAL_EXTRA];
    char plain[6] = "";
    su_seal(key, SU_STR("place"), SU_STR("value"), sealed);
    struct su_str whole = {(char *)sealed, sizeof sealed};
    assert_true(su_unseal(key, SU_STR("place"), whole, plain));
    assert_string_equal(plain, "value");
    assert_false(su_unseal(key, SU_STR("other"), whole, plain));
    for (size_t i = 0; i < sizeof sealed; i++) {
        assert_false(su_unseal(key, SU_STR("place"), (struct su_str){whole.ptr, i}, plain));
        sealed[i] ^= 1;
        assert_false(su_unseal(key, SU_STR("place"), whole, plain));
        sealed[i] ^= 1;
    }
    key[0] = 2;
    assert_false(su_unseal(key, SU_STR("place"), whole, plain));
}

#define with_scratch(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scratch(value_is_there_again_after_reopening), with_scratch(disk_does_not_hold_the_value),
        with_scratch(key_is_the_owners_alone), with_scratch(another_key_is_told_from_damage),
        with_scratch(value_moved_to_another_tenant_does_not_open), with_scratch(list_names_but_shows_no_value),
        with_scratch(wrong_names_and_values_are_refused), with_scratch(change_is_told),
        cmocka_unit_test(seal_opens_only_whole_and_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
