/** hello.mjs as CommonJS: Node then leaves out what an import of node:http loads beside it (undici). */
const { createServer } = require('node:http');

createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end('hello\n');
}).listen(Number(process.env.SCRATCHPAD_PORT), '127.0.0.1');
