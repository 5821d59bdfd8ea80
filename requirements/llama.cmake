# Included by llama.cpp's own project() call. Its llama-common library is half of the compile time and is never loaded
# by Python; the option is forced on above this point, so a plain -DLLAMA_BUILD_COMMON=OFF is ignored.
set(LLAMA_BUILD_COMMON OFF)
