// uWebSockets at the same work: /echo sends messages back; a message at /pub goes to all that are at /sub.
//
// uws PORT [deflate | KEY CERT]
//
// It calls the C interface of the library in PyPI's package socketify; no Python runs. The package has
// no header, so this file declares what it calls, as socketify/native.py does.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct uws_app uws_app;
typedef struct uws_socket uws_socket;
typedef struct uws_response uws_response;
typedef struct uws_request uws_request;

enum { COMPRESSOR_32KB = 12 << 4 | 5, DECOMPRESSOR_32KB = 15 << 8 };
enum { MESSAGE_BYTES_MAX = 16 << 20, HELD_BYTES_MAX = 64 << 20, IDLE_SECONDS = 120 };

struct socket_context_options {
    const char *key_file, *cert_file, *passphrase, *dh_params_file, *ca_file, *ciphers;
    int prefers_low_memory;
};

struct listen_config {
    int port;
    const char *host;
    int options;
};

typedef void on_socket(uws_socket *, void *);
typedef void on_message(uws_socket *, const char *, size_t, int opcode, void *);

struct behavior {
    int compression;
    unsigned payload_bytes_max;
    unsigned short idle_seconds;
    unsigned held_bytes_max;
    bool closes_at_bound, sending_is_activity, sends_pings;
    unsigned short lifetime_minutes_max;
    void (*upgrade)(void);
    on_socket *open;
    on_message *message;
    on_socket *drain;
    void (*ping)(void), (*pong)(void), (*close)(void), (*subscription)(void);
};

uws_app *uws_create_app(int ssl, struct socket_context_options);
void uws_app_get(int ssl, uws_app *, const char *, void (*)(uws_response *, uws_request *, void *), void *);
void uws_app_listen_with_config(int ssl, uws_app *, struct listen_config,
    void (*)(void *, struct listen_config, void *), void *);
void uws_app_run(int ssl, uws_app *);
bool uws_publish(int ssl, uws_app *, const char *, size_t, const char *, size_t, int opcode, bool compress);
void uws_res_end(int ssl, uws_response *, const char *, size_t, bool closes);
void uws_ws(int ssl, uws_app *, const char *, struct behavior, void *);
int uws_ws_send_with_options(int ssl, uws_socket *, const char *, size_t, int opcode, bool compress, bool fin);
bool uws_ws_subscribe(int ssl, uws_socket *, const char *, size_t);

static uws_app *app;
// Whether it speaks TLS; each call of the library is told.
static int ssl;
static bool deflate;
static const char channel[] = "channel";

static void echo(uws_socket *socket, const char *bytes, size_t len, int opcode, void *data) {
    (void)data;
    uws_ws_send_with_options(ssl, socket, bytes, len, opcode, deflate, true);
}

static void subscribe(uws_socket *socket, void *data) {
    (void)data;
    uws_ws_subscribe(ssl, socket, channel, sizeof channel - 1);
}

static void publish(uws_socket *socket, const char *bytes, size_t len, int opcode, void *data) {
    (void)socket, (void)data;
    uws_publish(ssl, app, channel, sizeof channel - 1, bytes, len, opcode, deflate);
}

static void health(uws_response *response, uws_request *request, void *data) {
    (void)request, (void)data;
    uws_res_end(ssl, response, "ok\n", 3, false);
}

static void listening(void *socket, struct listen_config config, void *data) {
    (void)data;
    if (!socket) {
        fprintf(stderr, "cannot listen on port %d\n", config.port);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fputs("usage: uws PORT [deflate | KEY CERT]\n", stderr);
        return 2;
    }
    ssl = argc > 3;
    deflate = argc == 3;
    struct socket_context_options tls = {0};
    if (ssl) {
        tls.key_file = argv[2];
        tls.cert_file = argv[3];
    }
    app = uws_create_app(ssl, tls);
    struct behavior common = {
        .compression = deflate ? COMPRESSOR_32KB | DECOMPRESSOR_32KB : 0,
        .payload_bytes_max = MESSAGE_BYTES_MAX, .idle_seconds = IDLE_SECONDS,
        .held_bytes_max = HELD_BYTES_MAX, .sends_pings = true,
    };
    struct behavior echoes = common, subscriber = common, publisher = common;
    echoes.message = echo;
    subscriber.open = subscribe;
    publisher.message = publish;
    uws_ws(ssl, app, "/echo", echoes, NULL);
    uws_ws(ssl, app, "/sub", subscriber, NULL);
    uws_ws(ssl, app, "/pub", publisher, NULL);
    uws_app_get(ssl, app, "/healthz", health, NULL);
    struct listen_config config = {.port = atoi(argv[1]), .host = "127.0.0.1"};
    uws_app_listen_with_config(ssl, app, config, listening, NULL);
    uws_app_run(ssl, app);
}
