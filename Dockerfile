# The broker as an image: dist/fedbroker.mjs and the files beside it as "npm run build" makes them, Node, and nothing else that is ours.
# It runs with a read-only root file system, any user and no capability, and starts no shell.
FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/build.mjs

FROM node:22-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="spire-federation-broker" \
      org.opencontainers.image.description="Keeps SPIFFE trust domains federated: exchanges trust bundles beside spire-server" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# The program's own first line, which a container does not start it by, sets the same and says why.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 MALLOC_TOP_PAD_=9999
# The file says what it changes; another one, for FIPS say, may take its place.
ENV OPENSSL_CONF=/openssl.cnf
# The licences of the packages inside go with each file.
COPY --from=build /build/dist/fedbroker.mjs /build/dist/fedbroker.mjs.LEGAL.txt /
COPY --from=build /build/dist/fedbroker-kubeconfig.mjs /build/dist/fedbroker-kubeconfig.mjs.LEGAL.txt /
COPY --from=build /build/dist/fedbroker-demo.mjs /build/dist/fedbroker-demo.mjs.LEGAL.txt /
COPY deploy/openssl.cnf /
# A number, so that runAsNonRoot can be checked; the user of spire-server's own image, whose socket is for that user.
USER 1000:1000
# The bundle endpoint, and /livez /readyz /metrics /status.
EXPOSE 8443 9402
ENTRYPOINT ["node", "--heap-growing-percent=30", "--max-semi-space-size=2", "--no-sparkplug", "/fedbroker.mjs"]
CMD ["run"]
