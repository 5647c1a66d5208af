// uWebSockets at the same work: /echo sends messages back; what comes at /pub goes to all that are at /sub.
//
// uws PORT [deflate]
#include <App.h>

#include <cstdio>
#include <cstdlib>

struct Nothing {};

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fputs("usage: uws PORT [deflate]\n", stderr);
        return 2;
    }
    const int port = std::atoi(argv[1]);
    const bool deflate = argc > 2;
    const auto compression = deflate
        ? uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR_32KB | uWS::DEDICATED_DECOMPRESSOR)
        : uWS::CompressOptions(uWS::DISABLED);
    const unsigned message_bytes_max = 16u << 20, held_bytes_max = 64u << 20;
    uWS::App app;
    app.ws<Nothing>("/echo", {
        .compression = compression, .maxPayloadLength = message_bytes_max, .idleTimeout = 120,
        .maxBackpressure = held_bytes_max,
        .message = [deflate](auto *socket, std::string_view message, uWS::OpCode kind) {
            socket->send(message, kind, deflate);
        }});
    app.ws<Nothing>("/sub", {
        .compression = compression, .maxPayloadLength = message_bytes_max, .idleTimeout = 120,
        .maxBackpressure = held_bytes_max,
        .open = [](auto *socket) { socket->subscribe("channel"); }});
    app.ws<Nothing>("/pub", {
        .compression = compression, .maxPayloadLength = message_bytes_max, .idleTimeout = 120,
        .maxBackpressure = held_bytes_max,
        .message = [&app, deflate](auto *, std::string_view message, uWS::OpCode kind) {
            app.publish("channel", message, kind, deflate);
        }});
    app.get("/healthz", [](auto *response, auto *) { response->end("ok\n"); });
    app.listen("127.0.0.1", port, [port](auto *listening) {
        if (!listening) {
            std::fprintf(stderr, "cannot listen on port %d\n", port);
            std::exit(1);
        }
    });
    app.run();
}
