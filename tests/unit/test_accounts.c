/* Credentials: what is written survives, what is ended is gone, what is wrong is refused. */
#include "check.h"

#include "api/accounts.h"
#include "api/limits.h"
#include "api/password.h"
#include "base/clock.h"

static const struct store_migration *const migrations[] = {accounts_migrations, NULL};
struct open { struct store *store; struct accounts *accounts; struct limits limits; };

static void open_all(const char *dir, struct open *open)
{
    struct su_err err = {0};
    limits_init(&open->limits);
    open->limits.tokens = 3;
    check_ok(store_open(dir, migrations, &open->store, &err));
    check_ok(accounts_open(open->store, &open->limits, &open->accounts, &err));
}

static void close_all(struct open *open)
{
    accounts_close(open->accounts);
    store_close(open->store);
}

static void owner_of(const char *dir, const struct open *open, struct identity *ret)
{
    struct su_err err = {0};
    SU_AUTO_FREE char *path = su_format("%s/owner.token", dir);
    SU_AUTO_BUF struct su_buf text = SU_BUF(200);
    check_ok(su_file_read(path, 199, &text, &err));
    assert_true(accounts_identify(open->accounts, su_str_trim(su_buf_str(&text)), ret));
}

static void tokens_survive_a_restart_and_end_for_good(void **state)
{
    struct su_err err = {0};
    struct open open;
    struct identity owner, who;
    char token[ACCOUNT_TOKEN_SIZE];
    SU_AUTO_JSON json_t *made = NULL;
    open_all(*state, &open);
    owner_of(*state, &open, &owner);
    struct token_spec spec = {"x", 1u << SCOPE_OBJECTS_READ, 0};
    check_ok(accounts_token_new(open.accounts, &owner, &spec, token, &made, &err));
    close_all(&open);
    open_all(*state, &open);
    assert_true(accounts_identify(open.accounts, su_str_of(token), &who));
    assert_string_equal(who.user, "owner");
    assert_int_equal(who.scopes, 1u << SCOPE_OBJECTS_READ);
    assert_true(accounts_still_valid(open.accounts, &who));
    check_ok(accounts_token_end(open.accounts, &owner, who.id, &err));
    assert_false(accounts_identify(open.accounts, su_str_of(token), &who));
    assert_false(accounts_still_valid(open.accounts, &who));
    check_fails(accounts_token_end(open.accounts, &owner, who.id, &err), SU_NOT_FOUND, "no token");
    close_all(&open);
    open_all(*state, &open);
    assert_false(accounts_identify(open.accounts, su_str_of(token), &who));
    close_all(&open);
}

static void wrong_texts_are_nobody(void **state)
{
    struct open open;
    struct identity owner, who;
    open_all(*state, &open);
    owner_of(*state, &open, &owner);
    SU_AUTO_FREE char *other = su_format("su_%s_%040d", owner.id, 0);
    const char *const texts[] = {"", "su_", "su__", "su_x_y", "owner", other, "su_01234567890123456789012345678901234567890_x"};
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        assert_false(accounts_identify(open.accounts, su_str_of(texts[i]), &who));
    close_all(&open);
}

static void a_tenant_has_so_many_tokens(void **state)
{
    struct su_err err = {0};
    struct open open;
    struct identity owner;
    char token[ACCOUNT_TOKEN_SIZE];
    struct token_spec spec = {"x", 1u << SCOPE_OBJECTS_READ, 0};
    open_all(*state, &open);
    owner_of(*state, &open, &owner);
    for (int i = 0; i < 2; i++) {
        SU_AUTO_JSON json_t *made = NULL;
        check_ok(accounts_token_new(open.accounts, &owner, &spec, token, &made, &err));
    }
    json_t *made;
    check_fails(accounts_token_new(open.accounts, &owner, &spec, token, &made, &err), SU_LIMIT, "limits.tokens");
    close_all(&open);
}

static void a_runs_token_ends_with_its_run(void **state)
{
    struct su_err err = {0};
    struct open open;
    struct identity who;
    char token[ACCOUNT_TOKEN_SIZE];
    open_all(*state, &open);
    check_ok(accounts_run_token_new(open.accounts, "main", "r1", "owner", 60000, token, &err));
    close_all(&open);
    open_all(*state, &open);
    assert_true(accounts_identify(open.accounts, su_str_of(token), &who));
    assert_int_equal(who.credential, CREDENTIAL_RUN);
    assert_string_equal(who.run, "r1");
    assert_int_equal(who.scopes, 1u << SCOPE_OBJECTS_READ | 1u << SCOPE_OBJECTS_WRITE | 1u << SCOPE_STREAMS_READ | 1u << SCOPE_STREAMS_WRITE);
    accounts_run_token_end(open.accounts, "main", "r2");
    assert_true(accounts_still_valid(open.accounts, &who));
    accounts_run_token_end(open.accounts, "main", "r1");
    assert_false(accounts_identify(open.accounts, su_str_of(token), &who));
    check_fails(accounts_run_token_new(open.accounts, "main", "r3", "nobody", 60000, token, &err), SU_NOT_FOUND, "nobody");
    close_all(&open);
}

static void expect_rows(struct store *store, int64_t expected)
{
    struct su_err err = {0};
    int64_t left;
    STORE_READ(store, db);
    check_ok(sql_get_int(db, -1, &left, &err, "SELECT count(*) FROM credentials WHERE run = 'r1'"));
    assert_int_equal(left, expected);
}

static void expired_credentials_are_swept(void **state)
{
    struct su_err err = {0};
    struct open open;
    struct identity who;
    char token[ACCOUNT_TOKEN_SIZE];
    open_all(*state, &open);
    check_ok(accounts_run_token_new(open.accounts, "main", "r1", "owner", -1, token, &err));
    assert_false(accounts_identify(open.accounts, su_str_of(token), &who));
    expect_rows(open.store, 1);
    accounts_sweep(open.accounts);
    expect_rows(open.store, 0);
    close_all(&open);
}

static void login_codes_are_used_once(void **state)
{
    struct su_err err = {0};
    struct open open;
    struct identity owner, who;
    char code[ACCOUNT_TOKEN_SIZE], cookie[ACCOUNT_TOKEN_SIZE];
    int64_t expires_ms;
    open_all(*state, &open);
    owner_of(*state, &open, &owner);
    check_ok(accounts_code_new(open.accounts, &owner, code, &expires_ms, &err));
    assert_true(expires_ms > su_now_ms());
    assert_false(accounts_identify(open.accounts, su_str_of(code), &who));
    check_ok(accounts_code_use(open.accounts, code, "peer", cookie, &who, &err));
    assert_int_equal(strlen(who.csrf), 40);
    check_fails(accounts_code_use(open.accounts, code, "peer", cookie, &who, &err), SU_DENIED, "used up");
    assert_true(accounts_identify_session(open.accounts, su_str_of(cookie), &who));
    assert_false(accounts_identify(open.accounts, su_str_of(cookie), &who));
    check_ok(accounts_logout(open.accounts, &who, &err));
    assert_false(accounts_identify_session(open.accounts, su_str_of(cookie), &who));
    close_all(&open);
}

static void comparisons_are_of_the_whole(void **state)
{
    assert_true(password_same_text("abc", "abc"));
    assert_false(password_same_text("abc", "abd"));
    assert_false(password_same_text("abc", "ab"));
    assert_true(password_same("", "", 0));
}

int main(void)
{
#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(tokens_survive_a_restart_and_end_for_good), SCRATCH_TEST(wrong_texts_are_nobody), SCRATCH_TEST(a_tenant_has_so_many_tokens),
        SCRATCH_TEST(a_runs_token_ends_with_its_run), SCRATCH_TEST(expired_credentials_are_swept), SCRATCH_TEST(login_codes_are_used_once),
        cmocka_unit_test(comparisons_are_of_the_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
