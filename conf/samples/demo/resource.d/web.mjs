// A web service in three lines: it says which node serves it, and writes its pid once it listens.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, node, pidFile] = process.argv.slice(2);
createServer((_request, response) => response.setHeader('connection', 'close').end(`served by ${node}\n`)).listen(
  Number(port),
  '127.0.0.1',
  () => writeFileSync(pidFile, `${process.pid}\n`),
);
