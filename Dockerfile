# A small image with savemasks: all kernels are compiled, and nobody is root.
#
#   docker build -t savemasks .
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" savemasks run save_masks.json lemons --out out
#
# "generic" kernels run on every processor of the architecture. Without that line they are somewhat
# faster where the processor is that of the builder, and compiled anew elsewhere.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
ARG EXTRAS=s3,gcs,cluster
ENV NUMBA_CPU_NAME=generic
COPY . /source
RUN /source/scripts/install_image /opt/savemasks "$EXTRAS"

FROM ${PYTHON}
COPY --from=build /opt/savemasks /opt/savemasks
ENV PATH=/opt/savemasks/bin:$PATH \
    SAVEMASKS_CACHE_DIR=/opt/savemasks/kernels \
    NUMBA_CPU_NAME=generic
RUN useradd --uid 10001 --create-home savemasks && mkdir /work && chown savemasks /work
USER savemasks
WORKDIR /work
ENTRYPOINT ["savemasks"]
