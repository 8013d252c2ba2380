// Of Istio only this module is there to be had: its kubernetes/ folder has the CRDs.
module fedbroker.dev/test/stack/istio

go 1.26.6

require istio.io/api v1.31.1
