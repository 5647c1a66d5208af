// usage: node echo.js PORT
const { WebSocketServer } = require('ws');

const port = Number(process.argv[2]);
const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: true });
server.on('connection', (socket) => {
  socket.on('error', () => {}); // the peer's fault; ws closes the connection itself
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
