/**
 * The null server of the calibration, a process of its own: answers every request head with the
 * same bytes as soon as it sees its end, and does nothing else. Prints its port; ends when its
 * stdin does, so that it never outlives who started it.
 */
import net from 'node:net';

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
/** A head's end as a number, shifted in byte by byte: "\r\n\r\n". */
const HEAD_END = 0x0d0a0d0a;

const server = net.createServer({ noDelay: true }, (socket) => {
  let lastFour = 0;
  socket.on('data', (chunk) => {
    for (const byte of chunk) {
      lastFour = (lastFour << 8) | byte;
      if (lastFour === HEAD_END) socket.write(ANSWER);
    }
  });
  socket.on('error', () => socket.destroy());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  process.stdout.write(`${(server.address() as net.AddressInfo).port}\n`);
});
process.stdin.on('end', () => process.exit()).resume();
