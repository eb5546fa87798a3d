/* Which network addresses are public: see address.h.  Layer aggregate; pure. */
#include "address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static bool is_public_v4(uint32_t address)
{
    static const struct { uint32_t net; int bits; } reserved[] = {
        {0x00000000, 8},  /* "this network" */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared (carrier NAT) */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local, cloud metadata */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarking */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4},  /* multicast */
        {0xf0000000, 4},  /* reserved, broadcast */
    };
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if ((address ^ reserved[i].net) >> (32 - reserved[i].bits) == 0)
            return false;
    return true;
}

static bool starts_with(const uint8_t *address, const uint8_t *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    return memcmp(address, net, (size_t)whole) == 0 && (rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0);
}

/* Only 2000::/3 is given out at all. */
static bool is_public_v6(const uint8_t *address)
{
    static const struct { uint8_t net[4]; int bits; } reserved[] = {
        {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments, Teredo */
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
        {{0x20, 0x02}, 16},             /* 6to4 */
        {{0x3f, 0xff, 0x00}, 20},       /* documentation */
    };
    static const uint8_t given_out[] = {0x20};
    if (!starts_with(address, given_out, 3))
        return false;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (starts_with(address, reserved[i].net, reserved[i].bits))
            return false;
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public_v4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public_v6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}
