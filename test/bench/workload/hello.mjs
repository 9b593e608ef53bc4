/** Node's smallest HTTP server, as a module: what a start and a resident megabyte are compared with. */
import { createServer } from 'node:http';

createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end('hello\n');
}).listen(Number(process.env['SCRATCHPAD_PORT']), '127.0.0.1');
